//! Calls with arguments of the kinds that the table names: most are such as there are, some are almost.

use coldframe_abi::{Instant, Kind, Number, Request};

use crate::ops::WORDS;
use crate::source::Random;

/// What arguments are made of.
pub(crate) struct Typed<'a> {
    /// The names that the programs share: threads, groups, processes, objects, mappings, authorities, endpoints,
    /// replies, lines.
    pub(crate) lists: &'a [Vec<u64>; 10],
    pub(crate) now: Instant,
    /// How many programs there are.
    pub(crate) program: u64,
    /// What a new thread has for a stack.
    pub(crate) stack: u64,
}

const PAGE: u64 = 4_096;
/// Where nothing is that programs do not put there.
const FREE: u64 = 1 << 36;
const USER_END: u64 = 1 << 38;
/// Where the registers of devices are in drawn worlds.
const DEVICES: u64 = 4_096 * PAGE;
/// What a reach of so many numbers is made of.
const REACH: u64 = 1 << 32;

struct Picks(Random);

impl Picks {
    fn below(&mut self, n: u64) -> u64 {
        self.0.word() % n
    }

    fn one_of(&mut self, values: &[u64]) -> u64 {
        values[self.below(values.len() as u64) as usize]
    }
}

impl Typed<'_> {
    /// The call, with arguments that the seed decides.
    pub(crate) fn request(&self, number: Number, seed: u32) -> Request {
        let picks = &mut Picks(Random::new(u64::from(seed)));
        let mut arguments = [0; 6];
        let mut at = 0;
        for parameter in number.description().parameters {
            if parameter.kind == Kind::Range {
                (arguments[at], arguments[at + 1]) = range(picks);
            } else {
                arguments[at] = self.word(parameter.kind, parameter.name, picks);
            }
            at += parameter.kind.words();
        }
        Request { number: number as u64, arguments }
    }

    fn name(&self, list: usize, picks: &mut Picks) -> u64 {
        let list = if picks.below(16) == 0 { picks.below(9) as usize } else { list };
        let names = &self.lists[list];
        match names.len() as u64 {
            0 => picks.below(3),
            // Most are new: old ones name nothing any more.
            count if picks.below(2) == 0 => names[(count - 1 - picks.below(count.min(3))) as usize],
            count => names[picks.below(count) as usize],
        }
    }

    fn word(&self, kind: Kind, name: &str, picks: &mut Picks) -> u64 {
        match kind {
            Kind::Thread => self.name(0, picks),
            Kind::Group => self.name(1, picks),
            Kind::Process => self.name(2, picks),
            Kind::Object => self.name(3, picks),
            Kind::Mapping => self.name(4, picks),
            Kind::Endpoint => self.name(6, picks),
            Kind::Reply => self.name(7, picks),
            Kind::Line => self.name(8, picks),
            Kind::Capability => {
                let list = picks.below(9) as usize;
                self.name(list, picks)
            }
            Kind::Address if name == "stack" => {
                picks.one_of(&[self.stack, self.stack, self.stack, USER_END + 1])
            }
            Kind::Address if name == "handler" => picks.one_of(&[0, 1, 2, 3, USER_END]),
            Kind::Address if name == "entry" => picks.one_of(&[0, 0, 0, USER_END]),
            Kind::Address => match picks.below(6) {
                0 => WORDS.start.0 + picks.below(3) * 8,
                1 => WORDS.start.0 + 4,
                2 => picks.one_of(&[USER_END - 8, USER_END, u64::MAX - 7]),
                _ => range(picks).0,
            },
            Kind::CapabilityRights => {
                picks.one_of(&[0xff, 0x7f, 0x63, 0x61, 0x43, 0x0c, 0x4c, 0x8c, 0x01, 0x00, 0x100])
            }
            Kind::PageRights => picks.one_of(&[1, 2, 2, 3, 0, 4]),
            Kind::Deadline => match picks.below(4) {
                0 => 0,
                _ => self.now.0 + picks.below(40_000),
            },
            Kind::Counter => picks.one_of(&[0, 1, 2, 3]),
            Kind::Class => picks.one_of(&[0, 1, 1, 1, 2, 3, 4]),
            Kind::Priority => picks.one_of(&[0, 100, 128, 128, 255, 256]),
            Kind::Cpu => picks.below(5),
            Kind::ExitCode => picks.below(3),
            _ => match name {
                "argument" => picks.below(self.program),
                // A badge, or how far an authority reaches.
                "badge" => picks.one_of(&[
                    0,
                    0,
                    0,
                    1,
                    2,
                    REACH,
                    2 * REACH,
                    1 | (3 * REACH),
                    400 * REACH,
                    700 * REACH,
                ]),
                // One call less.
                "calls" => !(1 << picks.below(64)),
                "register" => picks.one_of(&[0, 1, 2, 3, 5, 6, 63, 64, 66, 67]),
                "value" => picks.one_of(&[0, 1, 7, 0x100, 1 << 16, USER_END, USER_END + 1]),
                "line" => picks.one_of(&[0, 1, 1, 2, 3, 4]),
                "mine" => picks.one_of(&[0, 1, 1, 2]),
                "address" => DEVICES + picks.one_of(&[0, 0, PAGE, 3 * PAGE, 8, PAGE << 20]),
                "wall" => picks.one_of(&[0, self.now.0, self.now.0 + 40_000, 1 << 60, u64::MAX]),
                "port" => picks.one_of(&[0x70, 0x71, 0x71, 0x6f, 399, 0x3f7, 0x3f8, 0x400, 0xffff, 1 << 16]),
                "width" => picks.one_of(&[1, 1, 1, 2, 4, 3]),
                "uses" => picks.one_of(&[0, 0, 1, 1, 2, 3, 1 << 32]),
                "bits" => picks.one_of(&[0, 1, 1, 2, 3]),
                "frames" => picks.one_of(&[0, 1, 2, 6, 20, 60]),
                "length" => picks.one_of(&[PAGE, PAGE, 3 * PAGE, 0, 8]),
                "offset" => picks.one_of(&[0, 0, 0, 8, 4, PAGE, 1 << 20]),
                "cpus" => picks.one_of(&[1, 2, 3, 15, 0]),
                "bank" => picks.one_of(&[0, 0, 0, 1, 9]),
                _ => picks.one_of(&[0, 0, 1, 2, 33, u64::MAX]),
            },
        }
    }
}

/// A range of pages: few, so that calls meet, and some that cannot be.
fn range(picks: &mut Picks) -> (u64, u64) {
    let page = FREE + picks.below(6) * PAGE;
    match picks.below(12) {
        0 => (WORDS.start.0, WORDS.length),
        1 => (page + 8, PAGE),
        2 => (page, picks.one_of(&[0, 8, u64::MAX])),
        3 => (USER_END - PAGE, 2 * PAGE),
        4 => (FREE, 512 * PAGE),
        5 => (FREE + 512 * PAGE, PAGE),
        _ => (page, PAGE * (1 + picks.below(3))),
    }
}
