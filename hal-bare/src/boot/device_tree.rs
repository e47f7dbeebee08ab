//! The device tree of a RISC-V machine (Devicetree Specification 0.4).

use coldframe_hal::MAX_CPUS;
use coldframe_memory::{MapFull, MemoryMap};
use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node, Property};

use super::{Bytes, CpuList, usable_ram};

/// How many separate ranges of one kind are read.
const MANY: usize = 64;

/// How many interrupt lines are served at most: as many as a PLIC can have.
pub const MOST_LINES: usize = 1_024;

/// The interrupt controller of devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plic {
    /// Where its registers are, and how many bytes they take.
    pub start: u64,
    /// See `start`.
    pub length: u64,
    /// How many lines it has, the one that there never is included.
    pub lines: u32,
    /// The harts whose S-mode is a context of it, and the numbers of those contexts.
    contexts: [(u32, u32); MAX_CPUS],
    count: usize,
}

impl Plic {
    /// Which of its contexts is the S-mode of a hart.
    #[must_use]
    pub fn context_of(&self, hart: u32) -> Option<u32> {
        let contexts = &self.contexts[..self.count];
        contexts.iter().find(|(of, _)| *of == hart).map(|(_, context)| *context)
    }
}

/// Why a tree cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// The bytes are no device tree.
    NotATree,
    /// It has no memory, or no CPU, or no time base, or no serial port.
    Missing(&'static str),
    /// It has more separate ranges than fit.
    TooMany,
}

impl From<MapFull> for TreeError {
    fn from(_: MapFull) -> Self {
        Self::TooMany
    }
}

/// What the kernel wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// RAM without what firmware and the tree itself need.
    pub ram: MemoryMap,
    /// The harts that can be started.
    pub cpus: CpuList,
    /// How fast `time` counts.
    pub timebase: u64,
    /// Whether every hart has a timer that the kernel itself sets (extension Sstc); otherwise firmware does.
    pub own_timers: bool,
    /// The registers of the serial port.
    pub serial: u64,
    /// A word that ends the emulation with an exit code.
    pub finisher: Option<u64>,
    /// The boot archive.
    pub archive: Option<Bytes>,
    /// The interrupt controller of devices.
    pub plic: Option<Plic>,
    /// What firmware says that nobody can guess.
    pub seed: Option<[u64; 4]>,
    memory: Ranges,
}

impl Facts {
    /// All RAM, whoever uses it.
    pub fn memory(&self) -> impl Iterator<Item = Bytes> {
        self.memory.iter()
    }
}

/// A few ranges in a fixed place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ranges {
    ranges: [Bytes; MANY],
    count: usize,
}

impl Ranges {
    const fn new() -> Self {
        Self { ranges: [Bytes { start: 0, length: 0 }; MANY], count: 0 }
    }

    fn push(&mut self, range: Bytes) -> Result<(), TreeError> {
        *self.ranges.get_mut(self.count).ok_or(TreeError::TooMany)? = range;
        self.count += 1;
        Ok(())
    }

    fn iter(&self) -> impl Iterator<Item = Bytes> {
        self.ranges[..self.count].iter().copied()
    }
}

/// Reads a tree; `also_used` are ranges that it does not know of, such as the kernel and the tree itself.
///
/// # Errors
/// What is wrong or missing.
pub fn read(bytes: &[u8], also_used: &[Bytes]) -> Result<Facts, TreeError> {
    let tree = Fdt::new(bytes).map_err(|_| TreeError::NotATree)?;
    let root = tree.root();
    let mut ram = Ranges::new();
    let mut used = Ranges::new();
    for range in also_used {
        used.push(*range)?;
    }
    for reservation in tree.memory_reservations() {
        used.push(Bytes { start: reservation.address(), length: reservation.size() })?;
    }
    let mut facts = Facts {
        ram: MemoryMap::default(),
        cpus: CpuList::default(),
        timebase: 0,
        own_timers: true,
        serial: 0,
        finisher: None,
        archive: None,
        plic: None,
        seed: None,
        memory: Ranges::new(),
    };
    for node in root.children() {
        match node.name_without_address() {
            "memory" => regs(&node, 2, 2, |range| ram.push(range))?,
            "reserved-memory" => {
                for child in node.children() {
                    regs(&child, 2, 2, |range| used.push(range))?;
                }
            }
            "cpus" => read_cpus(&node, &mut facts),
            "chosen" => (facts.archive, facts.seed) = (archive(&node), seed(&node)),
            "soc" => read_devices(&node, &mut facts)?,
            _ => {}
        }
    }
    if let Some(archive) = facts.archive {
        used.push(archive)?;
    }
    facts.ram = usable_ram(ram.iter(), used.iter())?;
    facts.plic = read_plic(&root);
    facts.memory = ram;
    for (value, name) in [
        (facts.ram.frames(), "memory"),
        (facts.cpus.ids().len() as u64, "cpus"),
        (facts.timebase, "timebase-frequency"),
        (facts.serial, "a serial port of kind ns16550a"),
    ] {
        if value == 0 {
            return Err(TreeError::Missing(name));
        }
    }
    Ok(facts)
}

/// The value of a property as big-endian cells joined to one number: one or two cells.
fn number(node: &FdtNode<'_>, name: &str) -> Option<u64> {
    let property = node.property(name)?;
    cells(property.value())
}

fn cells(bytes: &[u8]) -> Option<u64> {
    match bytes.len() {
        4 => Some(u64::from(u32::from_be_bytes(bytes.try_into().ok()?))),
        8 => Some(u64::from_be_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}

/// The ranges of a node's `reg`; the cell counts are those of the parent.
fn regs(
    node: &FdtNode<'_>,
    address_cells: usize,
    size_cells: usize,
    mut take: impl FnMut(Bytes) -> Result<(), TreeError>,
) -> Result<(), TreeError> {
    let Some(property) = node.property("reg") else { return Ok(()) };
    for entry in property.value().chunks_exact(4 * (address_cells + size_cells)) {
        let (start, length) = entry.split_at(4 * address_cells);
        if let (Some(start), Some(length)) = (cells(start), cells(length)) {
            take(Bytes { start, length })?;
        }
    }
    Ok(())
}

fn read_cpus(node: &FdtNode<'_>, facts: &mut Facts) {
    facts.timebase = number(node, "timebase-frequency").unwrap_or(0);
    for cpu in node.children() {
        let disabled = cpu.property("status").is_some_and(|status| status.value() != b"okay\0");
        if cpu.name_without_address() == "cpu"
            && !disabled
            && let Some(id) = number(&cpu, "reg").and_then(|id| u32::try_from(id).ok())
        {
            facts.cpus.push(id);
            facts.own_timers &= has_extension(&cpu, "sstc");
        }
    }
}

/// Whether a hart has an extension of several letters: by the list of them, or by the older string of all.
fn has_extension(cpu: &FdtNode<'_>, name: &str) -> bool {
    let has = |property: &str, separator: u8| {
        cpu.property(property).is_some_and(|property| {
            let mut extensions = property.value().split(|byte| *byte == separator || *byte == 0);
            extensions.any(|extension| extension.eq_ignore_ascii_case(name.as_bytes()))
        })
    };
    has("riscv,isa-extensions", 0) || has("riscv,isa", b'_')
}

/// A hart and what other nodes call its interrupt controller.
type HartController = (u32, u32);

fn hart_controllers(root: &FdtNode<'_>) -> ([HartController; MAX_CPUS], usize) {
    let (mut found, mut count) = ([(0, 0); MAX_CPUS], 0);
    let cpus = root.children().filter(|node| node.name_without_address() == "cpus");
    for cpu in cpus.flat_map(|cpus| cpus.children()) {
        let hart = number(&cpu, "reg").and_then(|id| u32::try_from(id).ok());
        let controller = cpu.children().find_map(|child| number(&child, "phandle"));
        if let (Some(hart), Some(controller), Some(slot)) = (hart, controller, found.get_mut(count)) {
            *slot = (hart, controller as u32);
            count += 1;
        }
    }
    (found, count)
}

fn read_plic(root: &FdtNode<'_>) -> Option<Plic> {
    /// What the interrupt of a device is to the S-mode of a hart.
    const EXTERNAL: u32 = 9;
    let soc = root.children().find(|node| node.name_without_address() == "soc")?;
    let is_one =
        |node: &FdtNode<'_>| is_compatible(node, "riscv,plic0") || is_compatible(node, "sifive,plic-1.0.0");
    let node = soc.children().find(is_one)?;
    let mut place = Bytes::default();
    regs(&node, 2, 2, |range| {
        place = range;
        Ok(())
    })
    .ok()?;
    let devices = u32::try_from(number(&node, "riscv,ndev")?).ok()?;
    let lines = devices.saturating_add(1).min(MOST_LINES as u32);
    let mut plic =
        Plic { start: place.start, length: place.length, lines, contexts: [(0, 0); MAX_CPUS], count: 0 };
    let (harts, known) = hart_controllers(root);
    let contexts = node.property("interrupts-extended")?;
    for (context, cells) in (0..).zip(contexts.value().chunks_exact(8)) {
        let (controller, interrupt) = cells.split_at(4);
        let is_inside = CONTEXTS + (u64::from(context) + 1) * OF_CONTEXT <= plic.length;
        let is_its = |hart: &&HartController| Some(u64::from(hart.1)) == self::cells(controller);
        if is_inside
            && self::cells(interrupt) == Some(EXTERNAL.into())
            && let Some((hart, _)) = harts[..known].iter().find(is_its)
            && let Some(slot) = plic.contexts.get_mut(plic.count)
        {
            *slot = (*hart, context);
            plic.count += 1;
        }
    }
    // Registers that the direct window does not show are of no use.
    let end = plic.start.checked_add(plic.length)?;
    (plic.count > 0 && end <= SHOWN).then_some(plic)
}

/// Where the registers of a PLIC's contexts begin, and how many bytes each takes.
const CONTEXTS: u64 = 0x20_0000;
const OF_CONTEXT: u64 = 0x1000;
/// Physical addresses below this are shown on every machine.
const SHOWN: u64 = 1 << 36;

fn archive(chosen: &FdtNode<'_>) -> Option<Bytes> {
    let start = number(chosen, "linux,initrd-start")?;
    let end = number(chosen, "linux,initrd-end")?;
    (start < end).then_some(Bytes { start, length: end.saturating_sub(start) })
}

/// As many bytes of noise as make a key; fewer are none.
fn seed(chosen: &FdtNode<'_>) -> Option<[u64; 4]> {
    let property = chosen.property("rng-seed")?;
    let (words, _) = property.value().first_chunk::<32>()?.as_chunks::<8>();
    Some(core::array::from_fn(|at| u64::from_le_bytes(words[at])))
}

fn is_compatible(node: &FdtNode<'_>, kind: &str) -> bool {
    let Some(property) = node.property("compatible") else { return false };
    property.value().split(|byte| *byte == 0).any(|name| name == kind.as_bytes())
}

fn read_devices(soc: &FdtNode<'_>, facts: &mut Facts) -> Result<(), TreeError> {
    for device in soc.children() {
        if is_compatible(&device, "ns16550a") && facts.serial == 0 {
            regs(&device, 2, 2, |range| {
                facts.serial = range.start;
                Ok(())
            })?;
        }
        if is_compatible(&device, "sifive,test0") {
            regs(&device, 2, 2, |range| {
                facts.finisher = Some(range.start);
                Ok(())
            })?;
        }
    }
    Ok(())
}
