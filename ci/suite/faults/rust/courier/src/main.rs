//! Courier: the record program without Python, Rust's own main over the C
//! record store.
//!
//! usage: courier [thread]

extern "C" {
    fn store_record_new(length: usize) -> *mut u8;
    fn store_record_payload(record: *mut u8) -> *const u8;
    fn store_record_release(record: *mut u8);
}

/// A record that is on its way.
struct Parcel {
    record: usize,
    length: usize,
}

// None of these ends in a tail call: it would take the caller off the stack.
impl Parcel {
    #[inline(never)]
    fn pack(length: usize) -> Self {
        let record = unsafe { store_record_new(length) }; // at: pack
        assert!(!record.is_null(), "no memory for a record");
        Parcel {
            record: record as usize,
            length,
        }
    }

    #[inline(never)]
    fn deliver(&self) -> usize {
        unsafe { store_record_release(self.record as *mut u8) }; // at: courier_deliver
        self.length
    }

    #[inline(never)]
    fn last_byte(&self) -> u8 {
        let payload = unsafe { store_record_payload(self.record as *mut u8) };
        unsafe { *payload.add(self.length - 1) } // fault: courier_last
    }
}

#[inline(never)]
fn inspect(parcel: &Parcel) -> u32 {
    u32::from(parcel.last_byte()) + 1 // at: inspect
}

fn main() {
    let parcel = Parcel::pack(56); // at: courier_pack
    let length = parcel.deliver(); // at: courier_main_deliver
    let byte = if std::env::args().nth(1).as_deref() == Some("thread") {
        let work = move || {
            inspect(&parcel) // at: courier_closure
        };
        let inspector = std::thread::spawn(work); // at: courier_spawn
        inspector.join().unwrap_or_default()
    } else {
        inspect(&parcel) // at: courier_main_inspect
    };
    println!("courier: {byte} of {length}");
}
