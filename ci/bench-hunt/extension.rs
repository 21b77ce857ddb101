//! The native part of service.py: a C ABI, called by ctypes.
use std::collections::BTreeMap;

#[inline(never)]
fn remember(number: u64) {
    std::hint::black_box(Box::leak(Box::new([number; 32]))); /* LEAK */
}

/// Words that number makes, counted; every hundredth call keeps something for ever.
#[unsafe(no_mangle)]
pub extern "C" fn extension_count(number: u64) -> u64 {
    let mut table = BTreeMap::<String, Vec<u64>>::new();
    for i in 0..200 {
        table
            .entry(format!("word-{}", (number + i) % 150))
            .or_default()
            .push(i);
    }
    if number % 100 == 0 {
        remember(number);
    }
    table.values().map(|found| found.len() as u64).sum()
}
