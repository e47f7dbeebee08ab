//! Whatever firmware or a disk says: the readers of boot data do no harm.
#![no_main]

use hal_bare::boot::{Program, acpi, device_tree, programs, pvh};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = device_tree::read(bytes, &[]);
    let _ = acpi::root_pointer(bytes);
    let _ = acpi::madt(bytes);
    let _ = acpi::hpet(bytes);
    let _ = acpi::tables(bytes, true).count();
    let _ = pvh::StartInfo::read(bytes);
    let _ = programs(bytes).map(Iterator::count);
    if let Ok(program) = Program::read(bytes) {
        let _ = program.segments().count();
    }
});
