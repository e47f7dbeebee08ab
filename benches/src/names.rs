//! Capabilities as benches measure them: tables without a kernel around them.

use coldframe_abi::{CapabilityHandle, CapabilityKind, CapabilityRights};
use coldframe_capability::{CHUNK, Capabilities, Capability, Chunk, GROUND, Holdings, Target};

const HOLDER: u32 = 3;
const RIGHTS: CapabilityRights = CapabilityRights::ALL;
const TARGET: Target = Target { kind: CapabilityKind::Object, row: 9, generation: 2 };

/// One holder's capabilities, all but the first derived from the first.
pub struct Names {
    rows: Vec<Capability>,
    chunks: Vec<Chunk>,
    holdings: Holdings,
    first: u32,
}

impl Names {
    /// So many of them, and room for as many again.
    ///
    /// # Panics
    /// If there is no room, which is a mistake in this file.
    #[must_use]
    pub fn with(count: u32) -> Self {
        let chunks = 2 + (2 * count + 2_000) / CHUNK;
        let mut names = Self {
            rows: vec![Capability::default(); (chunks * CHUNK) as usize],
            chunks: vec![Chunk::default(); chunks as usize],
            holdings: Holdings::default(),
            first: 0,
        };
        for chunk in 1..chunks {
            let mut holdings = names.holdings;
            names.view().admit(chunk, HOLDER, &mut holdings);
            names.holdings = holdings;
        }
        names.first = names.mint(GROUND);
        for _ in 1..count {
            names.mint(names.first);
        }
        names
    }

    fn view(&mut self) -> Capabilities<'_> {
        Capabilities { rows: &mut self.rows, chunks: &mut self.chunks }
    }

    fn mint(&mut self, parent: u32) -> u32 {
        let mut view = Capabilities { rows: &mut self.rows, chunks: &mut self.chunks };
        let row = view.take(&mut self.holdings).unwrap_or_else(|| panic!("there is room"));
        view.derive(row, parent, TARGET, RIGHTS, 0);
        row
    }

    fn delete(&mut self, row: u32) {
        let mut view = Capabilities { rows: &mut self.rows, chunks: &mut self.chunks };
        view.cut(row);
        let _ = view.give(row, &mut self.holdings);
    }

    /// The first one's handle.
    #[must_use]
    pub fn handle(&self) -> CapabilityHandle {
        CapabilityHandle { slot: self.first, generation: self.rows[self.first as usize].generation() }
    }

    /// Looks a handle up, with holder, generation, kind and rights.
    #[inline]
    #[must_use]
    pub fn look_up(&self, word: u64) -> Option<u32> {
        let CapabilityHandle { slot, generation } = CapabilityHandle::from_word(word);
        let (name, needed) = ((slot, generation), CapabilityRights::READ);
        let target = Capabilities::named(&self.rows, HOLDER, name, CapabilityKind::Object, needed);
        target.ok().map(|target| target.row)
    }

    /// Derives a capability from the first one, and gives it up again.
    pub fn mint_and_delete(&mut self) {
        let row = self.mint(self.first);
        self.delete(row);
    }

    /// Derives a capability from the first one.
    pub fn mint_one(&mut self) {
        let _ = self.mint(self.first);
    }

    /// Takes one away that was derived from the first.
    ///
    /// # Panics
    /// If there is none.
    pub fn revoke_one(&mut self) {
        let last = self.rows[self.first as usize].last_derived();
        self.delete(last.unwrap_or_else(|| panic!("there are enough")));
    }
}
