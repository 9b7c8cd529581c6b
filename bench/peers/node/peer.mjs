// SPDX-License-Identifier: MIT
//
// Node: AsyncLocalStorage over async functions. `get` is getStore of the last of n storages,
// all of which have a store; `run` runs a function with a store on the last of n. A `yield`
// is an await of nothing in each of n async functions, with one store carried; `yield-bare`
// has no storage in use. `spawn-join` calls an async function and awaits it.
import { AsyncLocalStorage } from "node:async_hooks";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const BATCH = 4e6;
// Longer than elsewhere: the compiler needs to have finished.
const WARM = 400e6;
let samples = 0;
let kept;

const now = () => Number(process.hrtime.bigint());

// Says how many turns each batch has, and prints a figure for each that counts: the body of
// `for (const turns of batches(n))` is timed.
function* batches(operations) {
    const begun = now();
    let turns = 1;
    for (let left = samples, warm = false; left > 0; ) {
        const start = now();
        yield turns;
        const took = now() - start;
        if (warm) {
            console.log((took / turns / operations).toFixed(4));
            left--;
        } else if (took < BATCH / 2) {
            turns *= 2;
        } else {
            turns = Math.max(1, Math.floor((turns * BATCH) / took));
            warm = now() - begun > WARM;
        }
    }
}

// What is measured runs within stores of n storages; it is given the last.
function within(n, measured) {
    const storage = new AsyncLocalStorage();
    return storage.run({ n }, () => (n > 1 ? within(n - 1, measured) : measured(storage)));
}

function get(n) {
    within(n, (storage) => {
        for (const turns of batches(1)) {
            for (let i = 0; i < turns; i++) {
                kept = storage.getStore();
            }
        }
    });
}

function run(n) {
    const store = { n };
    const nothing = () => {};
    within(n, (storage) => {
        for (const turns of batches(1)) {
            for (let i = 0; i < turns; i++) {
                storage.run(store, nothing);
            }
        }
    });
}

async function yieldBare(n) {
    let stop = false;
    for (let i = 1; i < n; i++) {
        (async () => {
            while (!stop) {
                await null;
            }
        })();
    }
    for (const turns of batches(n)) {
        for (let i = 0; i < turns; i++) {
            await null;
        }
    }
    stop = true;
}

const yieldCarrying = (n) => within(1, () => yieldBare(n));

async function nothingLater() {
    await null;
}

async function spawnJoin(n) {
    const made = new Array(n);
    for (const turns of batches(n)) {
        for (let i = 0; i < turns; i++) {
            for (let j = 0; j < n; j++) {
                made[j] = nothingLater();
            }
            for (let j = 0; j < n; j++) {
                await made[j];
            }
        }
    }
}

const spawnJoinCarrying = (n) => within(1, () => spawnJoin(n));

// Prints a figure that a process can find only once; others find the other samples.
function once(figure) {
    console.log(figure.toFixed(4));
    if (samples > 1) {
        const words = [...process.argv.slice(1, 4), String(samples - 1)];
        process.exitCode = spawnSync(process.execPath, words, { stdio: "inherit" }).status;
    }
}

// A line "Name:   123 kB" of a file under /proc/self, in bytes.
function said(file, name) {
    const line = readFileSync(`/proc/self/${file}`, "utf8").match(`${name}:\\s+(\\d+)`);
    return Number(line[1]) * 1024;
}

const memory = () => said("smaps_rollup", "Rss") + said("status", "VmPTE");

// Bytes and nanoseconds for an async function that waits.
function park(n) {
    return within(1, async () => {
        let wake;
        const never = new Promise((resolve) => (wake = resolve));
        const waits = async () => await never;
        kept = new Array(n);
        const before = memory();
        const begun = now();
        for (let i = 0; i < n; i++) {
            kept[i] = waits();
        }
        const took = now() - begun;
        return { bytes: (memory() - before) / n, ns: took / n, wake };
    });
}

const benches = {
    get: [get, 1, 8, 32],
    run: [run, 1, 8, 32],
    yield: [yieldCarrying, 2, 1000, 100000],
    "yield-bare": [yieldBare, 2, 1000, 100000],
    "spawn-join": [spawnJoinCarrying, 1, 10000],
    "parked-bytes": [async (n) => once((await park(n)).bytes), 10000, 100000, 1000000],
    create: [async (n) => once((await park(n)).ns), 10000, 100000, 1000000],
};

const words = process.argv.slice(2);
const [measured, ...sizes] = benches[words[0]] ?? [];
if (words.length === 1 && words[0] === "--list") {
    console.log(`# Node ${process.versions.node}`);
    for (const [metric, [, ...all]] of Object.entries(benches)) {
        all.forEach((n) => console.log(`${metric}\t${n}`));
    }
} else if (words.length === 3 && sizes.includes(Number(words[1])) && Number(words[2]) > 0) {
    samples = Number(words[2]);
    await measured(Number(words[1]));
} else {
    console.error("usage: --list | METRIC N SAMPLES, of those listed");
    process.exit(2);
}
