//! The few ACPI tables that a kernel needs before it has drivers (ACPI 6.5, chapters 5.2 and 5.2.12).

use super::CpuList;

/// How long a table's header is.
pub const HEADER_LENGTH: usize = 36;

/// Where the list of tables is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootTable {
    /// With addresses of 32 bits.
    Rsdt(u64),
    /// With addresses of 64 bits.
    Xsdt(u64),
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn sums_to_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0
}

/// Reads the root pointer (36 bytes, or 20 of the first revision).
#[must_use]
pub fn root_pointer(bytes: &[u8]) -> Option<RootTable> {
    if bytes.get(..8)? != b"RSD PTR " || !sums_to_zero(bytes.get(..20)?) {
        return None;
    }
    if bytes[15] >= 2
        && let Some(address) = bytes.get(..36).filter(|all| sums_to_zero(all)).and_then(|all| word(all, 24))
        && address != 0
    {
        return Some(RootTable::Xsdt(address));
    }
    Some(RootTable::Rsdt(u64::from(half(bytes, 16)?)))
}

/// The signature and the length of a table, from its header.
#[must_use]
pub fn header(bytes: &[u8]) -> Option<([u8; 4], usize)> {
    let length = half(bytes, 4)? as usize;
    let signature = bytes.get(..4)?.try_into().ok()?;
    (length >= HEADER_LENGTH).then_some((signature, length))
}

/// Whether a whole table is what it was when firmware wrote it.
#[must_use]
pub fn is_intact(table: &[u8]) -> bool {
    header(table).is_some_and(|(_, length)| length == table.len()) && sums_to_zero(table)
}

/// The addresses of the tables in a root table.
pub fn tables(root: &[u8], wide: bool) -> impl Iterator<Item = u64> {
    let entries = root.get(HEADER_LENGTH..).unwrap_or_default();
    let size = if wide { 8 } else { 4 };
    entries
        .chunks_exact(size)
        .map(|entry| entry.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// What the MADT says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Madt {
    /// Where the local interrupt controllers are.
    pub local_apic: u64,
    /// The CPUs that are enabled.
    pub cpus: CpuList,
    /// Where the interrupt controller of devices is whose lines are counted from zero.
    pub io_apic: Option<u64>,
    /// How its lines ask.
    pub triggers: Triggers,
}

/// How the first 64 interrupt lines ask, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Triggers {
    /// As long as the device wants something, and not at its edge.
    pub level: u64,
    /// By a low voltage.
    pub low: u64,
}

impl Default for Triggers {
    /// The lines of ISA ask by a rising edge, those of PCI by a low level.
    fn default() -> Self {
        const PCI: u64 = !0xffff;
        Self { level: PCI, low: PCI }
    }
}

impl Triggers {
    /// What an override says of a line (ACPI 6.5, table 5.25): nothing, if it conforms to its bus.
    const fn set(&mut self, line: u32, flags: u16) {
        if line >= 64 {
            return;
        }
        let bit = 1 << line;
        match flags & 3 {
            1 => self.low &= !bit,
            3 => self.low |= bit,
            _ => {}
        }
        match flags >> 2 & 3 {
            1 => self.level &= !bit,
            3 => self.level |= bit,
            _ => {}
        }
    }
}

/// Reads the MADT. Entries of unknown kind are passed over, an entry without length ends the list.
#[must_use]
pub fn madt(table: &[u8]) -> Option<Madt> {
    const LOCAL_APIC: u8 = 0;
    const IO_APIC: u8 = 1;
    const OVERRIDE: u8 = 2;
    const LOCAL_APIC_ADDRESS: u8 = 5;
    const LOCAL_X2APIC: u8 = 9;
    const ENABLED: u32 = 1;
    let mut found = Madt {
        local_apic: u64::from(half(table, HEADER_LENGTH)?),
        cpus: CpuList::default(),
        io_apic: None,
        triggers: Triggers::default(),
    };
    let mut rest = table.get(HEADER_LENGTH + 8..)?;
    while let [kind, length, ..] = *rest {
        let Some((entry, behind)) = rest.split_at_checked(usize::from(length)) else { break };
        if length < 2 {
            break;
        }
        match kind {
            LOCAL_APIC if half(entry, 4).is_some_and(|flags| flags & ENABLED != 0) => {
                found.cpus.push(u32::from(entry[3]));
            }
            LOCAL_X2APIC if half(entry, 8).is_some_and(|flags| flags & ENABLED != 0) => {
                if let Some(id) = half(entry, 4) {
                    found.cpus.push(id);
                }
            }
            IO_APIC if half(entry, 8) == Some(0) => found.io_apic = half(entry, 4).map(u64::from),
            OVERRIDE => {
                if let (Some(line), Some([low, high])) = (half(entry, 4), entry.get(8..10)) {
                    found.triggers.set(line, u16::from_le_bytes([*low, *high]));
                }
            }
            LOCAL_APIC_ADDRESS => found.local_apic = word(entry, 4).unwrap_or(found.local_apic),
            _ => {}
        }
        rest = behind;
    }
    Some(found)
}

/// Where the table is that describes devices, which the FADT says (ACPI 6.5, chapter 5.2.9).
#[must_use]
pub fn dsdt(fadt: &[u8]) -> Option<u64> {
    let wide = word(fadt, 140).filter(|address| *address != 0);
    wide.or_else(|| half(fadt, 40).map(u64::from)).filter(|address| *address != 0)
}

/// Where the HPET's registers are.
#[must_use]
pub fn hpet(table: &[u8]) -> Option<u64> {
    const MEMORY: u8 = 0;
    let space = *table.get(40)?;
    let address = word(table, 44)?;
    (space == MEMORY && address != 0).then_some(address)
}
