//! The names that programs have for threads and groups, and which were derived from which.

use std::collections::BTreeMap;

use coldframe_abi::{CapabilityHandle, CapabilityRights};

/// What a name is for: the row, and which of that row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Thread(u32, u32),
    Group(u32, u32),
    Process(u32, u32),
}

/// Whose name, and the word that it is.
pub(super) type Key = (usize, u64);

/// What is known of a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub(super) what: Named,
    pub(super) rights: CapabilityRights,
    pub(super) badge: u64,
    pub(super) parent: Option<Key>,
    /// It came with what it names, and goes with it.
    pub(super) first: bool,
    /// This thread takes it away, and may have done so already.
    pub(super) fading: Option<u32>,
}

/// All names.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    known: BTreeMap<Key, Name>,
    /// Names from which a thread is taking away what was derived from them.
    revocations: Vec<(Key, u32)>,
    /// The highest generation of each slot that has been given out.
    given: Vec<u32>,
}

impl Names {
    pub(super) fn find(&self, key: Key) -> Option<Name> {
        self.known.get(&key).copied()
    }

    /// Notes that a word has been given out; false if somebody has had it before.
    pub(super) fn is_fresh(&mut self, word: u64) -> bool {
        let CapabilityHandle { slot, generation } = CapabilityHandle::from_word(word);
        let slot = slot as usize;
        if self.given.len() <= slot {
            self.given.resize(slot + 1, 0);
        }
        std::mem::replace(&mut self.given[slot], generation) < generation
    }

    /// Adds a name; `works` says whether a thread is not done with what it takes away.
    pub(super) fn add(&mut self, key: Key, mut name: Name, works: impl Fn(u32) -> bool) {
        let parent = name.parent.and_then(|parent| self.find(parent));
        let revoked = self.revocations.iter().find(|(above, by)| Some(*above) == name.parent && works(*by));
        name.fading = parent.and_then(|parent| parent.fading).or(revoked.map(|(_, by)| *by));
        self.known.insert(key, name);
    }

    /// Takes a name away; those derived from it are now derived from what it was derived from.
    pub(super) fn remove(&mut self, key: Key) {
        let Some(gone) = self.known.remove(&key) else { return };
        for name in self.known.values_mut().filter(|name| name.parent == Some(key)) {
            name.parent = gone.parent;
        }
    }

    pub(super) fn remove_all_of(&mut self, process: usize) {
        while let Some(key) = self.known.range((process, 0)..=(process, u64::MAX)).next().map(|(key, _)| *key)
        {
            self.remove(key);
        }
    }

    pub(super) fn is_named(&self, what: Named) -> bool {
        self.known.values().any(|name| name.what == what)
    }

    /// The name that came with something.
    pub(super) fn first_of(&self, what: Named) -> Option<Key> {
        self.known.iter().find(|(_, name)| name.first && name.what == what).map(|(key, _)| *key)
    }

    fn is_below(&self, key: Key, above: Key) -> bool {
        let mut at = self.find(key).and_then(|name| name.parent);
        while let Some(parent) = at {
            if parent == above {
                return true;
            }
            at = self.find(parent).and_then(|name| name.parent);
        }
        false
    }

    /// A thread begins to take away all that was derived from a name.
    pub(super) fn fade(&mut self, above: Key, by: u32) {
        self.revocations.push((above, by));
        let below: Vec<_> = self.known.keys().copied().filter(|key| self.is_below(*key, above)).collect();
        for key in below {
            if let Some(name) = self.known.get_mut(&key) {
                name.fading = Some(by);
            }
        }
    }

    /// What a thread takes away, or did not get done.
    pub(super) fn fading(&self, by: u32) -> Vec<Key> {
        self.known.iter().filter(|(_, name)| name.fading == Some(by)).map(|(key, _)| *key).collect()
    }

    /// What anybody takes away.
    pub(super) fn faded(&self) -> Vec<Key> {
        self.known.iter().filter(|(_, name)| name.fading.is_some()).map(|(key, _)| *key).collect()
    }

    /// A thread does not take anything away any more.
    pub(super) fn is_done(&mut self, by: u32) {
        self.revocations.retain(|(_, other)| *other != by);
    }

    /// Whoever was about to take a name away does not; another one may.
    pub(super) fn stays(&mut self, key: Key) {
        let other = self.revocations.iter().find(|(above, _)| self.is_below(key, *above)).map(|(_, by)| *by);
        if let Some(name) = self.known.get_mut(&key) {
            name.fading = other;
        }
    }
}
