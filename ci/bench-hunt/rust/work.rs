//! work COUNT: strings, vectors and maps that come and go, as programs in Rust have them.
use std::collections::{BTreeMap, HashMap};

#[inline(never)]
fn words(i: u64) -> Vec<String> {
    (0..8).map(|k| format!("word-{}-{k}", i % 1000)).collect()
}

#[inline(never)]
fn count(words: &[String], table: &mut HashMap<String, u64>) {
    for word in words {
        *table.entry(word.clone()).or_default() += 1;
    }
}

#[inline(never)]
fn tree(words: Vec<String>) -> BTreeMap<String, Box<u64>> {
    words.into_iter().zip(0u64..).map(|(word, n)| (word, Box::new(n))).collect()
}

#[inline(never)]
fn keep(i: u64) {
    std::hint::black_box(Box::leak(Box::new([i; 6]))); /* LEAK */
}

fn main() {
    let rounds: u64 = std::env::args().nth(1).map_or(10_000, |n| n.parse().unwrap());
    let (mut table, mut sum) = (HashMap::new(), 0);
    for i in 0..rounds {
        let words = words(i);
        count(&words, &mut table);
        sum += tree(words).values().map(|n| **n).sum::<u64>();
        if i % 100 == 0 {
            keep(i); /* LEAK_CALLER */
        }
        if i % 1000 == 999 {
            table.clear();
        }
    }
    println!("{sum}\nallocations keep {}", rounds.div_ceil(100));
}
