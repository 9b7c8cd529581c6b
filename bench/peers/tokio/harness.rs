// SPDX-License-Identifier: MIT
//! How a program talks to the driver of the bench (../../README.md), and how it measures: the
//! same warm-up and batches as harness.c.
use std::time::{Duration, Instant};

const BATCH: Duration = Duration::from_millis(4);
const WARM: Duration = Duration::from_millis(20);

/// Says how many turns the next batch has, and prints a figure for each that counts.
pub struct Batches {
    begun: Instant,
    turns: usize,
    operations: usize,
    samples: usize,
    warm: bool,
}

impl Batches {
    pub fn new(samples: usize, operations: usize) -> Batches {
        Batches {
            begun: Instant::now(),
            turns: 1,
            operations,
            samples,
            warm: false,
        }
    }

    pub fn next(&self) -> Option<usize> {
        (self.samples > 0).then_some(self.turns)
    }

    pub fn took(&mut self, time: Duration) {
        let per_turn = time.as_nanos() as f64 / self.turns as f64;
        if self.warm {
            println!("{:.4}", per_turn / self.operations as f64);
            self.samples -= 1;
        } else if time < BATCH / 2 {
            self.turns *= 2;
        } else {
            self.turns = 1.max((BATCH.as_nanos() as f64 / per_turn) as usize);
            self.warm = self.begun.elapsed() >= WARM;
        }
    }
}

/// Times batches of the block, which makes `turns` turns of so many operations each.
#[macro_export]
macro_rules! measure {
    ($samples:expr, $operations:expr, |$turns:ident| $block:block) => {
        let mut batches = Batches::new($samples, $operations);
        while let Some($turns) = batches.next() {
            let begun = std::time::Instant::now();
            $block;
            batches.took(begun.elapsed());
        }
    };
}

fn said(file: &str, name: &str) -> usize {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 1024
}

/// Bytes that the process has in memory, of pages and of the tables that map them.
pub fn memory() -> usize {
    said("/proc/self/smaps_rollup", "Rss:") + said("/proc/self/status", "VmPTE:")
}

/// The compiler takes the value for used, and all memory for changed.
#[inline(always)]
pub fn keep(value: usize) {
    unsafe { std::arch::asm!("/* {0} */", in(reg) value, options(nostack, preserves_flags)) }
}

pub fn cannot(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(77)
}

/// Prints a figure that a process can find only once, and has others find the other samples.
pub fn once(figure: f64, samples: usize) -> ! {
    println!("{figure:.4}");
    if samples > 1 {
        let words: Vec<String> = std::env::args().collect();
        let again = (samples - 1).to_string();
        let mut next = std::process::Command::new(&words[0]);
        let status = next.args([&words[1], &words[2], &again]).status().unwrap();
        std::process::exit(status.code().unwrap_or(1))
    }
    std::process::exit(0)
}

/// A metric, its sizes, and what measures it, given a size and the number of samples.
pub type Bench = (&'static str, &'static [usize], fn(usize, usize));

pub fn main(what: &str, benches: &[Bench]) {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words == ["--list"] {
        println!("# {what}");
        for (metric, sizes, _) in benches {
            sizes.iter().for_each(|size| println!("{metric}\t{size}"));
        }
        return;
    }
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<usize>().ok());
    if let (3, Some(n), Some(samples)) = (words.len(), number(1), number(2)) {
        for (metric, sizes, run) in benches {
            if *metric == words[0] && sizes.contains(&n) && samples > 0 {
                return run(n, samples);
            }
        }
    }
    eprintln!("usage: --list | METRIC N SAMPLES, of those listed");
    std::process::exit(2)
}
