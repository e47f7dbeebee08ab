//! What interrupt controllers are told, against controllers made of plain values: an interrupt that is asked for comes
//! when its line is open, once, and never while it is closed.

use std::cell::RefCell;

use hal_bare::boot::acpi::Triggers;
use hal_bare::lines::{IoApic, Plic, Registers, Table};
use proptest::prelude::*;

const LINES: usize = 4;
/// A PC has some behind them that have no wire.
const WITH_MESSAGES: usize = LINES + 2;
const CPUS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Move {
    /// A device wants something, or is silenced.
    Asks(usize),
    Silent(usize),
    Open(usize, usize),
    Close(usize),
    /// A CPU takes what has come to it.
    Take(usize),
}

fn moves(lines: usize) -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (0..lines).prop_map(Move::Asks),
        2 => (0..lines).prop_map(Move::Silent),
        3 => (0..lines, 0..CPUS).prop_map(|(line, cpu)| Move::Open(line, cpu)),
        1 => (0..lines).prop_map(Move::Close),
        5 => (0..CPUS).prop_map(Move::Take),
    ];
    prop::collection::vec(one, 1..200)
}

/// What the kernel knows of a line, and what there is to hear.
#[derive(Clone, Copy, Debug, Default)]
struct Expected {
    open: bool,
    /// It has come, and has not been opened again.
    held: bool,
    /// An edge has come that nobody has heard of.
    unheard: bool,
}

/// An IOAPIC and the local controllers of its CPUs.
#[derive(Clone, Debug)]
struct Board {
    masked: [bool; WITH_MESSAGES],
    routes: [usize; WITH_MESSAGES],
    level: u64,
    asks: [bool; WITH_MESSAGES],
    /// The interrupts that wait at each CPU.
    pending: [[bool; WITH_MESSAGES]; CPUS],
    /// A level interrupt has been taken, and its end has not been told.
    remote: [bool; WITH_MESSAGES],
}

impl Board {
    fn is_level(&self, line: usize) -> bool {
        line < LINES && self.level >> line & 1 == 1
    }

    fn deliver_level(&mut self, line: usize) {
        if self.is_level(line) && self.asks[line] && !self.masked[line] && !self.remote[line] {
            self.pending[self.routes[line]][line] = true;
            self.remote[line] = true;
        }
    }

    fn asks(&mut self, line: usize) {
        self.asks[line] = true;
        if self.is_level(line) {
            self.deliver_level(line);
        } else if line >= LINES {
            // A message goes to the first CPU, whoever may want it.
            self.pending[0][line] = true;
        } else if !self.masked[line] {
            // Each time that the device asks is an edge; one at a masked line is lost.
            self.pending[self.routes[line]][line] = true;
        }
    }

    fn end(&mut self, line: usize) {
        if self.is_level(line) {
            self.remote[line] = false;
            self.deliver_level(line);
        }
    }
}

impl Table for Board {
    fn set(&mut self, line: u32, cpu: u32, triggers: Triggers, masked: bool) {
        assert!((line as usize) < LINES, "a line without a wire is nothing to the controller");
        self.level = triggers.level;
        (self.masked[line as usize], self.routes[line as usize]) = (masked, cpu as usize);
        self.deliver_level(line as usize);
    }

    fn send(&mut self, line: u32, cpu: u32) {
        self.pending[cpu as usize][line as usize] = true;
    }
}

/// A PLIC with an S-mode context for each CPU, the odd ones.
#[derive(Clone, Debug, Default)]
struct Sources {
    priority: [u32; LINES + 1],
    enabled: [[bool; LINES + 1]; CPUS],
    asks: [bool; LINES + 1],
    pending: [bool; LINES + 1],
    claimed: [bool; LINES + 1],
}

struct FakePlic(RefCell<Sources>);

impl Sources {
    /// The gateway lets one request through until that is completed.
    fn gate(&mut self, line: usize) {
        if self.asks[line] && !self.claimed[line] {
            self.pending[line] = true;
        }
    }

    fn first(&self, cpu: usize) -> Option<usize> {
        (1..=LINES).find(|line| self.pending[*line] && self.enabled[cpu][*line] && self.priority[*line] > 0)
    }
}

impl Registers for FakePlic {
    fn read(&self, offset: u64) -> u32 {
        let mut sources = self.0.borrow_mut();
        match offset {
            0x2000..0x20_0000 => {
                let context = (offset - 0x2000) / 0x80;
                assert_eq!(context % 2, 1, "that is a context of M-mode");
                let enabled = sources.enabled[context as usize / 2];
                (0..=LINES).map(|line| u32::from(enabled[line]) << line).sum()
            }
            _ => {
                let cpu = ((offset - 0x20_0004) / 0x1000 / 2) as usize;
                let Some(line) = sources.first(cpu) else { return 0 };
                (sources.pending[line], sources.claimed[line]) = (false, true);
                line as u32
            }
        }
    }

    fn write(&self, offset: u64, value: u32) {
        let mut sources = self.0.borrow_mut();
        match offset {
            0..0x2000 => sources.priority[offset as usize / 4] = value,
            0x2000..0x20_0000 => {
                let context = ((offset - 0x2000) / 0x80) as usize;
                (0..=LINES).for_each(|line| sources.enabled[context / 2][line] = value >> line & 1 == 1);
            }
            _ if offset.is_multiple_of(0x1000) => assert_eq!(value, 0, "whatever is enabled gets through"),
            _ => {
                let (cpu, line) = (((offset - 0x20_0004) / 0x1000 / 2) as usize, value as usize);
                // Whatever is not enabled there is not completed.
                if sources.enabled[cpu][line] {
                    sources.claimed[line] = false;
                    sources.gate(line);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn lines_of_a_pc_come_when_they_are_open(moves in moves(WITH_MESSAGES), level in 0_u64..64) {
        let triggers = Triggers { level, low: 0 };
        let mut board = Board {
            masked: [false; WITH_MESSAGES],
            routes: [0; WITH_MESSAGES],
            level,
            asks: [false; WITH_MESSAGES],
            pending: [[false; WITH_MESSAGES]; CPUS],
            remote: [false; WITH_MESSAGES],
        };
        let mut lines = IoApic::new(triggers, LINES as u32);
        lines.mask(&mut board);
        let mut expected = [Expected::default(); WITH_MESSAGES];
        let take = |board: &mut Board, lines: &mut IoApic, expected: &mut [Expected; WITH_MESSAGES], cpu: usize| {
            let Some(line) = (0..WITH_MESSAGES).find(|line| board.pending[cpu][*line]) else { return false };
            board.pending[cpu][line] = false;
            let heard = lines.arrives(line as u32, board);
            board.end(line);
            assert_eq!(heard, expected[line].open, "line {line} is heard of while it is open, and only then");
            if heard {
                expected[line] = Expected { held: true, ..Expected::default() };
            }
            true
        };
        let moves = moves.into_iter().chain((0..WITH_MESSAGES).map(|line| Move::Open(line, 0)));
        for step in moves {
            match step {
                Move::Asks(line) => {
                    // What comes where nobody listens is nobody's.
                    let Expected { open, held, .. } = expected[line];
                    expected[line].unheard |= if line < LINES { !board.masked[line] } else { open || held };
                    board.asks(line);
                }
                Move::Silent(line) => board.asks[line] = false,
                Move::Open(line, cpu) => {
                    lines.open(line as u32, cpu as u32, &mut board);
                    (expected[line].open, expected[line].held) = (true, false);
                }
                Move::Close(line) => {
                    lines.close(line as u32, &mut board);
                    expected[line] = Expected::default();
                }
                Move::Take(cpu) => {
                    take(&mut board, &mut lines, &mut expected, cpu);
                }
            }
        }
        while (0..CPUS).any(|cpu| take(&mut board, &mut lines, &mut expected, cpu)) {}
        for (line, expected) in expected.iter().enumerate() {
            let missed = if board.is_level(line) { board.asks[line] } else { expected.unheard };
            prop_assert!(!(expected.open && missed), "line {line} is open, its device has asked, and nobody has heard");
        }
    }

    #[test]
    fn lines_of_a_plic_come_when_they_are_open(moves in moves(LINES)) {
        let fake = FakePlic(RefCell::default());
        let plic = Plic::new();
        plic.set_up(LINES as u32 + 1, (0..CPUS as u32).map(|cpu| Some(cpu * 2 + 1)), &fake);
        (0..CPUS).for_each(|cpu| plic.set_up_cpu(cpu, &fake));
        let mut open = [false; LINES + 1];
        let moves = moves.into_iter().chain((0..LINES).map(|line| Move::Open(line, 0)));
        let moves = moves.chain([Move::Take(0); LINES + 1]);
        for step in moves {
            match step {
                Move::Asks(line) => {
                    let mut sources = fake.0.borrow_mut();
                    sources.asks[line + 1] = true;
                    sources.gate(line + 1);
                }
                Move::Silent(line) => fake.0.borrow_mut().asks[line + 1] = false,
                Move::Open(line, cpu) => {
                    plic.open(line as u32 + 1, cpu, &fake);
                    open[line + 1] = true;
                }
                Move::Close(line) => {
                    plic.close(line as u32 + 1, &fake);
                    open[line + 1] = false;
                }
                Move::Take(cpu) => {
                    if let Some(line) = plic.claim(cpu, &fake) {
                        prop_assert!(open[line as usize], "line {line} comes while it is closed");
                        open[line as usize] = false;
                    }
                }
            }
            let sources = fake.0.borrow();
            for (line, is_open) in open.into_iter().enumerate().skip(1) {
                let places = (0..CPUS).filter(|cpu| sources.enabled[*cpu][line]).count();
                prop_assert!(places <= 1, "line {line} can come to several CPUs");
                prop_assert!(!(is_open && (places == 0 || sources.claimed[line])), "line {line} cannot come");
            }
        }
        let sources = fake.0.borrow();
        prop_assert!((1..=LINES).all(|line| !open[line] || !sources.asks[line]), "nobody has heard of a line");
    }
}
