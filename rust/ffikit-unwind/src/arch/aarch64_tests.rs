//! Rules, signatures and code without CFI, on aarch64.

use super::*;

#[test]
fn rules_give_back_what_was_packed() {
    const FARTHEST: i64 = (1 << 17) - 8;
    for kind in [0, 1, LEAF] {
        for pc in [0x7f12_3456_7890, 0x7f12_3456_7891, 0xffff_ffff_fffc, 4] {
            for cfa in [0, 8, 16, 4096, OFFSET_MASK as i64] {
                for (return_offset, fp_offset) in
                    [(-8, -16), (-16, 0), (FARTHEST, -FARTHEST - 8), (-24, 8), (0, 0)]
                {
                    let rule = Rule::with_offsets(kind, pc, cfa, return_offset, fp_offset).unwrap();
                    assert_eq!(Rule::from_bits(rule.bits()), rule);
                    assert_eq!(rule.return_offset(), return_offset);
                    assert_eq!(rule.fp_offset(), fp_offset);
                    assert!(rule.is_for(pc));
                    // The next in the same place of the cache, and the instruction itself.
                    assert!(!rule.is_for(pc ^ 1 << 18) && !rule.is_for(pc ^ 1));
                    assert_eq!(rule.is_plain(), kind != LEAF);
                    if kind != LEAF {
                        let base = [0x1000, 0x9000][kind as usize];
                        assert_eq!(rule.cfa(0x1000, 0x9000), base + cfa as u64);
                    }
                }
            }
        }
    }
    for (cfa, return_offset, fp_offset) in [
        (-16, -8, -16),
        (OFFSET_MASK as i64 + 8, -8, -16),
        (12, -8, -16),
        (16, -4, -16),
        (16, FARTHEST + 8, -16),
        (16, -8, -FARTHEST - 16),
    ] {
        assert_eq!(Rule::with_offsets(0, 4, cfa, return_offset, fp_offset), None);
    }
    for end in End::ALL {
        assert_eq!(Rule::failing(4, end).step(), Step::Failing(end));
    }
}

#[test]
fn a_leaf_returns_to_x30() {
    let stack = [0, 0, 0x1234];
    let at = Registers {
        pc: 0x8000,
        sp: stack.as_ptr() as u64,
        fp: 77,
        lr: 0x9000,
        saved: [5; 10],
    };
    let load = |at: u64| {
        let index = (at - stack.as_ptr() as u64) / 8;
        stack.get(index as usize).copied()
    };
    let rule = Rule::with_offsets(LEAF, 0x8001, 16, 0, 0).unwrap();
    let (pc, sp) = (at.lr, at.sp + 16);
    assert_eq!(rule.special(&at, load), Some(Registers { pc, sp, ..at }));
    let rule = Rule::with_offsets(LEAF, 0x8001, 32, 0, -16).unwrap();
    let (fp, sp) = (0x1234, at.sp + 32);
    assert_eq!(rule.special(&at, load), Some(Registers { pc, sp, fp, ..at }));
    // Nowhere to load it from.
    let rule = Rule::with_offsets(LEAF, 0x8001, 32, 0, -8).unwrap();
    assert_eq!(rule.special(&at, load), None);
}

#[test]
fn signatures_are_stripped() {
    let (plain, mut signed): (u64, u64) = (0x0000_ffff_1234_5678, 0x0000_ffff_1234_5678);
    // SAFETY: PACIA1716 signs x17 by x16; where there are no signatures it is a NOP.
    unsafe {
        asm!("hint #8", inout("x17") signed, in("x16") 0x5555_0000_u64, options(nomem, nostack, preserves_flags))
    };
    assert_ne!(
        signed, plain,
        "the processor does not sign: run qemu-aarch64 with -cpu max"
    );
    assert_eq!(code_address(signed), plain);
    assert_eq!(code_address(plain), plain);
}

#[test]
fn code_without_cfi() {
    // adrp x16, .; ldr x17, [x16, 8]; add x16, x16, 8; br x17
    let entry = [0x9000_0010_u32, 0xf940_0611, 0x9100_2210, 0xd61f_0220];
    let with_bti = [
        0xd503_245f_u32,
        0x9000_0010,
        0xf940_0611,
        0x9100_2210,
        0xd61f_0220,
    ];
    let trampoline = [0xd503_201f_u32, 0xd280_1168, 0xd400_0001];
    let other = [
        0x9000_0010_u32,
        0xf940_0611,
        0x9100_2210,
        0xd61f_0200,
        0xd61f_0220,
    ];
    let at = |code: &[u32], index: usize| &raw const code[index] as u64;
    let leaf = |pc: u64| Some(Rule::new(LEAF, pc + 1));
    for index in 0..4 {
        let pc = at(&entry, index);
        assert_eq!(Rule::without_cfi(pc + 1, End::NoCfi), leaf(pc));
        // A return address, or code of no module.
        assert_eq!(Rule::without_cfi(pc, End::NoCfi), None);
        assert_eq!(Rule::without_cfi(pc + 1, End::UnknownCode), None);
        let pc = at(&with_bti, index);
        assert_eq!(Rule::without_cfi(pc + 1, End::NoCfi), leaf(pc));
        assert_eq!(Rule::without_cfi(at(&other, index) + 1, End::NoCfi), None);
    }
    let start = at(&trampoline, 1);
    for (key, is_it) in [
        (start, true),
        (start + 1, true),
        (start + 5, true),
        (start + 4, false),
        (start - 3, false),
    ] {
        for end in [End::NoCfi, End::UnknownCode] {
            assert_eq!(Rule::without_cfi(key, end).is_some(), is_it, "{:#x}", key - start);
        }
        assert_eq!(Rule::without_cfi(key, End::Busy), None);
    }
    assert_eq!(Rule::without_cfi(1, End::UnknownCode), None);
    assert_eq!(Rule::without_cfi(u64::MAX, End::NoCfi), None);
}
