//! The forest of capabilities and the chunks they come in, against maps that know neither.

use std::collections::{BTreeMap, BTreeSet};

use coldframe_abi::{CapabilityKind, CapabilityRights};
use coldframe_capability::{CHUNK, Capabilities, Capability, Chunk, GROUND, Holdings, Target};
use proptest::prelude::*;

const HOLDERS: usize = 4;

#[derive(Clone, Debug)]
enum Op {
    /// A capability to something new.
    New {
        holder: usize,
        rights: u8,
    },
    /// A copy of one that is there.
    Copy {
        of: usize,
        holder: usize,
        rights: u8,
    },
    /// So many copies of each other, one derived from the other.
    Chain {
        of: usize,
        length: usize,
    },
    Delete {
        which: usize,
    },
    Revoke {
        which: usize,
    },
    /// Those that were derived last go together, but for those with a badge that is refused.
    GiveLast {
        which: usize,
        most: u32,
        refused: u64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let (which, holder, rights) = (0_usize..200, 0..HOLDERS, any::<u8>());
    prop_oneof![
        2 => (holder.clone(), rights).prop_map(|(holder, rights)| Op::New { holder, rights }),
        6 => (which.clone(), holder, rights).prop_map(|(of, holder, rights)| Op::Copy { of, holder, rights }),
        1 => (which.clone(), 2_usize..90).prop_map(|(of, length)| Op::Chain { of, length }),
        4 => which.clone().prop_map(|which| Op::Delete { which }),
        1 => which.clone().prop_map(|which| Op::Revoke { which }),
        3 => (which, 0_u32..40, 1_u64..6)
            .prop_map(|(which, most, refused)| Op::GiveLast { which, most, refused }),
    ]
}

/// What is known of a capability without any table.
#[derive(Clone, Debug)]
struct Known {
    handle: (u32, u32),
    holder: usize,
    target: Target,
    rights: CapabilityRights,
    badge: u64,
    parent: Option<u32>,
}

#[derive(Default)]
struct Kit {
    rows: Vec<Capability>,
    chunks: Vec<Chunk>,
    holdings: [Holdings; HOLDERS],
    unheld: Vec<u32>,
    /// By row.
    known: BTreeMap<u32, Known>,
    given_out: BTreeSet<(u32, u32)>,
    objects: u32,
}

impl Kit {
    fn new() -> Self {
        let mut kit =
            Self { rows: vec![Capability::default(); 64], chunks: vec![Chunk::default()], ..Self::default() };
        // The chunk of the ground is nobody's.
        kit.objects = 1;
        kit
    }

    fn view(&mut self) -> Capabilities<'_> {
        Capabilities { rows: &mut self.rows, chunks: &mut self.chunks }
    }

    fn take(&mut self, holder: usize) -> u32 {
        let mut holdings = self.holdings[holder];
        let row = match self.view().take(&mut holdings) {
            Some(row) => row,
            None => {
                let chunk = self.unheld.pop().unwrap_or(self.chunks.len() as u32);
                if chunk as usize == self.chunks.len() {
                    self.chunks.push(Chunk::default());
                    self.rows.resize(self.chunks.len() * CHUNK as usize, Capability::default());
                }
                self.view().admit(chunk, holder as u32, &mut holdings);
                self.view().take(&mut holdings).expect("a new chunk has room")
            }
        };
        self.holdings[holder] = holdings;
        row
    }

    fn add(
        &mut self,
        holder: usize,
        parent: Option<u32>,
        target: Target,
        rights: CapabilityRights,
        badge: u64,
    ) {
        let row = self.take(holder);
        self.view().derive(row, parent.unwrap_or(GROUND), target, rights, badge);
        let handle = (row, self.rows[row as usize].generation());
        assert!(self.given_out.insert(handle), "a handle is given out once");
        let known = Known { handle, holder, target, rights, badge, parent };
        assert!(self.known.insert(row, known).is_none(), "a row has one capability");
    }

    fn pick(&self, which: usize) -> Option<u32> {
        self.known.keys().nth(which % self.known.len().max(1)).copied()
    }

    fn delete(&mut self, row: u32) {
        let Known { holder, parent, .. } = self.known.remove(&row).expect("it is there");
        for other in self.known.values_mut().filter(|known| known.parent == Some(row)) {
            other.parent = parent;
        }
        self.view().cut(row);
        let mut holdings = self.holdings[holder];
        if let Some(chunk) = self.view().give(row, &mut holdings) {
            self.view().dismiss(chunk, &mut holdings);
            self.unheld.push(chunk);
        }
        self.holdings[holder] = holdings;
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::New { holder, rights } => {
                self.objects += 1;
                let target = Target { kind: CapabilityKind::Object, row: self.objects, generation: 1 };
                self.add(holder, None, target, CapabilityRights(rights), 0);
            }
            Op::Copy { of, holder, rights } => {
                let Some(parent) = self.pick(of) else { return };
                let from = self.known[&parent].clone();
                let rights = CapabilityRights(rights & from.rights.0);
                self.add(holder, Some(parent), from.target, rights, from.badge + 1);
            }
            Op::Chain { of, length } => {
                let Some(mut parent) = self.pick(of) else { return };
                for _ in 0..length {
                    let Known { holder, target, rights, badge, .. } = self.known[&parent].clone();
                    self.add(holder, Some(parent), target, rights, badge);
                    parent = *self
                        .known
                        .iter()
                        .max_by_key(|(_, known)| known.handle.1)
                        .map_or(&parent, |(row, _)| row);
                }
            }
            Op::Delete { which } => {
                if let Some(row) = self.pick(which) {
                    self.delete(row);
                }
            }
            Op::Revoke { which } => {
                let Some(row) = self.pick(which) else { return };
                let mut below = BTreeSet::from([row]);
                while let Some(more) = self.known.iter().find(|(at, known)| {
                    !below.contains(at) && known.parent.is_some_and(|parent| below.contains(&parent))
                }) {
                    below.insert(*more.0);
                }
                below.remove(&row);
                for _ in 0..below.len() {
                    let next = self.rows[row as usize].last_derived().expect("there is more below");
                    assert!(below.remove(&next), "only what was derived from it goes");
                    self.delete(next);
                }
                assert_eq!(self.rows[row as usize].last_derived(), None, "revoked means gone");
            }
            Op::GiveLast { which, most, refused } => {
                if let Some(parent) = self.pick(which) {
                    self.give_last(parent, most, refused);
                }
            }
        }
    }

    fn give_last(&mut self, parent: u32, most: u32, refused: u64) {
        let Some(last) = self.rows[parent as usize].last_derived() else { return };
        let holder = self.known[&last].holder;
        let mut holdings = self.holdings[holder];
        let mut asked = Vec::new();
        let given = self.view().give_last(parent, &mut holdings, most, |row, capability| {
            asked.push(row);
            capability.badge() != refused
        });
        self.holdings[holder] = holdings;
        assert!(given <= most);
        for row in &asked[..given as usize] {
            let known = self.known.remove(row).expect("it was there");
            assert_eq!((known.parent, row / CHUNK), (Some(parent), last / CHUNK));
            assert!(known.badge != refused, "who may not go stays");
            assert!(!self.known.values().any(|other| other.parent == Some(*row)), "only leaves go");
        }
        // It stops only where it has to.
        let Some(next) = self.rows[parent as usize].last_derived() else { return };
        let used = self.chunks[(last / CHUNK) as usize].used();
        let is_parent = self.known.values().any(|other| other.parent == Some(next));
        assert!(
            given == most
                || next / CHUNK != last / CHUNK
                || self.known[&next].badge == refused
                || is_parent
                || (used == 1 && holdings.chunks() > 1),
            "{next} could have gone too"
        );
    }

    fn judge(&self) {
        for (row, known) in &self.known {
            let there = &self.rows[*row as usize];
            assert_eq!(there.holder(), Some(known.holder as u32));
            assert_eq!(
                (there.target(), there.rights(), there.badge()),
                (known.target, known.rights, known.badge)
            );
            assert_eq!(there.generation(), known.handle.1);
            let parent = Capabilities::parent(&self.rows, *row);
            assert_eq!(parent.filter(|parent| *parent != GROUND), known.parent);
            let named = |rights| {
                Capabilities::named(&self.rows, known.holder as u32, known.handle, known.target.kind, rights)
            };
            assert_eq!(named(known.rights), Ok(known.target));
            assert_eq!(named(CapabilityRights(0x80)).is_ok(), known.rights.0 & 0x80 != 0);
        }
        for handle in &self.given_out {
            let stale = self.known.get(&handle.0).is_none_or(|known| known.handle != *handle);
            let held =
                (0..HOLDERS as u32).any(|holder| Capabilities::held(&self.rows, holder, *handle).is_ok());
            assert_eq!(held, !stale, "{handle:?}");
        }
        let mut parents: Vec<_> = self.known.keys().copied().collect();
        parents.push(GROUND);
        for parent in parents {
            let mut listed = BTreeSet::new();
            let mut next = self.rows[parent as usize].first_derived();
            while let Some(row) = next {
                assert!(listed.insert(row), "no row of siblings has a loop");
                next = self.rows[row as usize].next();
            }
            let of_known = |known: &&Known| known.parent.unwrap_or(GROUND) == parent;
            assert_eq!(listed.len(), self.known.values().filter(of_known).count());
        }
        for holder in 0..HOLDERS {
            let (mut chunks, mut used, mut next) = (0, 0, self.holdings[holder].first());
            while let Some(chunk) = next {
                assert_eq!(self.chunks[chunk as usize].holder(), Some(holder as u32));
                used += self.chunks[chunk as usize].used();
                chunks += 1;
                next = self.chunks[chunk as usize].next();
            }
            let held = self.known.values().filter(|known| known.holder == holder).count() as u32;
            assert_eq!((chunks, used), (self.holdings[holder].chunks(), held));
        }
    }
}

proptest! {
    #[test]
    fn capabilities_are_a_forest_that_only_loses_rights(ops in prop::collection::vec(op(), 1..60)) {
        let mut kit = Kit::new();
        for op in ops {
            kit.apply(op);
            kit.judge();
        }
        while let Some(row) = kit.pick(0) {
            kit.delete(row);
        }
        kit.judge();
        // Each holder keeps one chunk, empty or not.
        assert!(kit.holdings.iter().all(|holdings| holdings.chunks() <= 1));
    }
}

#[test]
#[should_panic(expected = "authority never grows (CAP-1)")]
fn a_copy_with_more_rights_is_refused() {
    let mut kit = Kit::new();
    let target = Target { kind: CapabilityKind::Object, row: 1, generation: 1 };
    kit.add(0, None, target, CapabilityRights::READ, 0);
    let row = kit.pick(0);
    kit.add(1, row, target, CapabilityRights::READ.and(CapabilityRights::WRITE), 0);
}
