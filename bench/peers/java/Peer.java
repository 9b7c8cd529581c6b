// SPDX-License-Identifier: MIT
//
// Java: ThreadLocal as `local-get` and `local-set`; InheritableThreadLocal, which new threads
// copy, as `get` and `set`. `spawn-inherit` starts and joins a thread of the system that copies
// n values. Plain loops: each metric has a process of its own, in which the compiler has seen
// only its loop. Values are objects that exist already.
import java.util.ArrayList;
import java.util.List;

final class Peer {
    interface Loop {
        void turn(int turns);
    }

    static final long BATCH = 4_000_000;
    // Longer than elsewhere: the compiler needs to have finished.
    static final long WARM = 400_000_000;
    static final Object[] VALUES = {new Object(), new Object()};
    static int samples;
    static Object got;

    static long time(Loop loop, int turns) {
        long begun = System.nanoTime();
        loop.turn(turns);
        return System.nanoTime() - begun;
    }

    static void measure(Loop loop) {
        long begun = System.nanoTime();
        int turns = 1;
        for (;;) {
            long took = time(loop, turns);
            if (took < BATCH / 2) {
                turns *= 2;
                continue;
            }
            turns = (int) Math.max(1, (double) turns * BATCH / took);
            if (System.nanoTime() - begun > WARM) {
                break;
            }
        }
        for (int i = 0; i < samples; i++) {
            System.out.println((double) time(loop, turns) / turns);
        }
    }

    // n variables with values; the last of them.
    static ThreadLocal<Object> bound(int n, boolean inherited) {
        ThreadLocal<Object> last = null;
        List<ThreadLocal<Object>> all = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            last = inherited ? new InheritableThreadLocal<>() : new ThreadLocal<>();
            last.set(VALUES[0]);
            all.add(last);
        }
        kept = all;
        return last;
    }

    // What nothing holds is dropped, and its value with it.
    static List<ThreadLocal<Object>> kept;

    static void get(ThreadLocal<Object> variable) {
        measure(turns -> {
            for (int i = 0; i < turns; i++) {
                got = variable.get();
            }
        });
    }

    static void set(ThreadLocal<Object> variable) {
        measure(turns -> {
            for (int i = 0; i < turns; i++) {
                variable.set(VALUES[i & 1]);
            }
        });
    }

    static void startJoin() {
        measure(turns -> {
            for (int i = 0; i < turns; i++) {
                Thread made = new Thread(() -> { });
                made.start();
                try {
                    made.join();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            }
        });
    }

    static final String[] METRICS = {"local-get", "local-set", "get", "set", "spawn-inherit"};
    static final int[][] SIZES = {
        {1}, {1}, {1, 8, 32, 100, 1000}, {1, 8, 32, 100, 1000}, {0, 8, 100}};

    static void run(String metric, int n) {
        switch (metric) {
        case "local-get" -> get(bound(n, false));
        case "local-set" -> set(bound(n, false));
        case "get" -> get(bound(n, true));
        case "set" -> set(bound(n, true));
        default -> {
            bound(n, true);
            startJoin();
        }
        }
    }

    public static void main(String[] words) {
        if (words.length == 1 && words[0].equals("--list")) {
            System.out.println("# Java " + System.getProperty("java.version") + ", "
                + System.getProperty("java.vm.name"));
        }
        for (int i = 0; i < METRICS.length; i++) {
            for (int n : SIZES[i]) {
                if (words.length == 1 && words[0].equals("--list")) {
                    System.out.println(METRICS[i] + "\t" + n);
                } else if (words.length == 3 && words[0].equals(METRICS[i])
                    && words[1].equals(Integer.toString(n))) {
                    samples = Integer.parseInt(words[2]);
                    run(METRICS[i], n);
                    return;
                }
            }
        }
        if (words.length != 1 || !words[0].equals("--list")) {
            System.err.println("usage: --list | METRIC N SAMPLES, of those listed");
            System.exit(2);
        }
    }
}
