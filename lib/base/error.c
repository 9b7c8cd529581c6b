/* SPDX-License-Identifier: MIT */
#include <nook/error.h>

const char *nook_err_name(int code)
{
    switch (code) {
    case 0:
        return "0";
#define NAME(name, value, sentence) \
    case name:                      \
        return #name;
        NOOK_ERRORS(NAME)
#undef NAME
    default:
        return "?";
    }
}

const char *nook_strerror(int code)
{
    switch (code) {
    case 0:
        return "no error";
#define SENTENCE(name, value, sentence) \
    case name:                          \
        return sentence;
        NOOK_ERRORS(SENTENCE)
#undef SENTENCE
    default:
        return "an error code of the system or of a callback";
    }
}
