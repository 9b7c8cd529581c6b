// SPDX-License-Identifier: MIT
//! Tokio: tasks without stacks, polled by a runtime of one thread where n does not say
//! otherwise. `get` reads a task_local, which the compiler puts in line; `enter-exit` is its
//! sync_scope, with one variable. A yielding task goes to the end of the run queue. All is
//! measured in a spawned task: the runtime polls its first one by other rules.
mod harness;

use harness::{keep, Batches};
use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, Notify};

fn one_thread() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn run<F: Future<Output = ()> + Send + 'static>(runtime: &Runtime, task: F) {
    runtime.block_on(async { tokio::spawn(task).await.unwrap() });
}

tokio::task_local! {
    static A: Cell<usize>;
    static B: Cell<usize>;
    static C: Cell<usize>;
    static D: Cell<usize>;
    static E: Cell<usize>;
    static F: Cell<usize>;
    static G: Cell<usize>;
    static H: Cell<usize>;
}

fn reads(samples: usize) {
    measure!(samples, 1, |turns| {
        for _ in 0..turns {
            keep(H.with(|value| value.get()));
        }
    });
}

/// The last of n task_locals: each is found without the others.
fn get(n: usize, samples: usize) {
    let one = Cell::new(1);
    if n == 1 {
        return H.sync_scope(one, || reads(samples));
    }
    let all = [&A, &B, &C, &D, &E, &F, &G, &H];
    fn within(all: &[&'static tokio::task::LocalKey<Cell<usize>>], samples: usize) {
        match all.split_first() {
            Some((first, rest)) => first.sync_scope(Cell::new(1), || within(rest, samples)),
            None => reads(samples),
        }
    }
    within(&all[..n], samples)
}

fn enter_exit(_: usize, samples: usize) {
    measure!(samples, 1, |turns| {
        for turn in 0..turns {
            // Its address is let out, or else the compiler leaves away the whole scope.
            A.sync_scope(Cell::new(turn), || {
                keep(A.with(|value| value as *const _ as usize))
            });
        }
    });
}

fn yields(n: usize, samples: usize) {
    run(&one_thread(), async move {
        for _ in 1..n {
            tokio::spawn(async {
                loop {
                    tokio::task::yield_now().await
                }
            });
        }
        measure!(samples, n, |turns| {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        });
    });
}

fn spawn_join(n: usize, samples: usize) {
    run(&one_thread(), async move {
        let mut made = Vec::with_capacity(n);
        measure!(samples, n, |turns| {
            for _ in 0..turns {
                made.extend((0..n).map(|_| tokio::spawn(async {})));
                for task in made.drain(..) {
                    task.await.unwrap();
                }
            }
        });
    });
}

type Ends = (mpsc::Sender<usize>, mpsc::Receiver<usize>);

async fn answers((back, mut there): Ends) {
    while let Some(message) = there.recv().await {
        back.send(message).await.unwrap();
    }
}

async fn asks((there, mut back): Ends, samples: usize) {
    measure!(samples, 2, |turns| {
        for turn in 0..turns {
            there.send(turn).await.unwrap();
            back.recv().await.unwrap();
        }
    });
}

fn two_ends() -> (Ends, Ends) {
    let (there, from_there) = mpsc::channel(1);
    let (back, from_back) = mpsc::channel(1);
    ((there, from_back), (back, from_there))
}

/// The runtime of two threads may keep both tasks on one of them.
fn channel(n: usize, samples: usize) {
    let runtime = match n {
        1 => one_thread(),
        _ => Builder::new_multi_thread()
            .worker_threads(n)
            .build()
            .unwrap(),
    };
    let (mine, its) = two_ends();
    run(&runtime, async move {
        tokio::spawn(answers(its));
        asks(mine, samples).await;
    });
}

/// A runtime of one thread on each side, which sleeps while nothing comes.
fn wake_idle(_: usize, samples: usize) {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        harness::cannot("needs two processors");
    }
    let (mine, its) = two_ends();
    let other = std::thread::spawn(move || run(&one_thread(), answers(its)));
    run(&one_thread(), asks(mine, samples));
    other.join().unwrap();
}

/// Bytes and nanoseconds for a task that waits for a Notify.
fn park(n: usize, samples: usize, figure: fn(bytes: f64, ns: f64) -> f64) {
    run(&one_thread(), async move {
        let never = Arc::new(Notify::new());
        let (before, begun) = (harness::memory(), Instant::now());
        for _ in 0..n {
            let never = never.clone();
            tokio::spawn(async move { never.notified().await });
        }
        tokio::task::yield_now().await;
        let took = begun.elapsed().as_nanos() as f64;
        let bytes = (harness::memory() - before) as f64;
        harness::once(figure(bytes, took) / n as f64, samples)
    });
}

fn parked_bytes(n: usize, samples: usize) {
    park(n, samples, |bytes, _| bytes)
}

fn create(n: usize, samples: usize) {
    park(n, samples, |_, ns| ns)
}

fn main() {
    harness::main(
        concat!("Tokio ", env!("PEER_TOKIO"), ", rustc ", env!("PEER_RUSTC")),
        &[
            ("get", &[1, 8], get),
            ("enter-exit", &[1], enter_exit),
            ("yield", &[2, 1000, 100000], yields),
            ("spawn-join", &[1, 10000], spawn_join),
            ("channel", &[1, 2], channel),
            ("wake-idle", &[2], wake_idle),
            ("parked-bytes", &[10000, 100000, 1000000], parked_bytes),
            ("create", &[10000, 100000, 1000000], create),
        ],
    )
}
