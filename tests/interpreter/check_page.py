# SPDX-License-Identifier: MIT
"""What a page quotes as C stands in one of the sources, word for word.

    python3 check_page.py PAGE SOURCE...
"""
import re
import sys


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def main():
    page, *sources = sys.argv[1:]
    quoted = re.findall(r"^```c\n(.*?)^```$", read(page), re.MULTILINE | re.DOTALL)
    texts = [read(source) for source in sources]
    lost = [text for text in quoted if not any(text in source for source in texts)]
    for text in lost:
        print(f"{page} quotes what no source says:\n{text}")
    return 0 if quoted and not lost else 1


sys.exit(main())
