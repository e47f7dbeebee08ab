//! The names that programs have for threads and groups, and which were derived from which.

use std::collections::{BTreeMap, BTreeSet};

use coldframe_abi::{Authority, CapabilityHandle, CapabilityRights};

/// What a name is for: the row, and which of that row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    Thread(u32, u32),
    Group(u32, u32),
    Process(u32, u32),
    Authority(Authority),
    /// Somebody who listens to an interrupt line, by row.
    Listener(u32),
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
    /// What was derived from each name, if anything was.
    derived: BTreeMap<Key, Vec<Key>>,
    /// How many names each thing has, and the one that came with it.
    of: BTreeMap<Named, (u32, Option<Key>)>,
    /// What anybody takes away.
    faded: BTreeSet<Key>,
    /// Names from which a thread is taking away what was derived from them.
    revocations: Vec<(Key, u32)>,
    /// The name of each authority that stands for a process.
    standing: BTreeMap<(usize, Authority), Key>,
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
        if name.fading.is_some() {
            self.faded.insert(key);
        }
        if let Some(parent) = name.parent {
            self.derived.entry(parent).or_default().push(key);
        }
        let of = self.of.entry(name.what).or_default();
        of.0 += 1;
        if name.first {
            of.1 = Some(key);
        }
        if let Named::Authority(authority) = name.what
            && CapabilityRights::MANAGE.within(name.rights)
        {
            self.standing.entry((key.0, authority)).or_insert(key);
        }
        self.known.insert(key, name);
    }

    /// The name of an authority that stands for a process.
    pub(super) fn standing(&self, process: usize, authority: Authority) -> Option<Key> {
        self.standing.get(&(process, authority)).copied()
    }

    /// Takes a name away; those derived from it are now derived from what it was derived from.
    pub(super) fn remove(&mut self, key: Key) {
        let Some(gone) = self.known.remove(&key) else { return };
        self.faded.remove(&key);
        if let Named::Authority(authority) = gone.what
            && self.standing(key.0, authority) == Some(key)
        {
            self.standing.remove(&(key.0, authority));
        }
        let below = self.derived.remove(&key).unwrap_or_default();
        for child in &below {
            if let Some(name) = self.known.get_mut(child) {
                name.parent = gone.parent;
            }
        }
        if let Some(parent) = gone.parent {
            let siblings = self.derived.entry(parent).or_default();
            siblings.retain(|sibling| *sibling != key);
            siblings.extend(below);
        }
        if let Some((count, first)) = self.of.get_mut(&gone.what) {
            *count -= 1;
            if gone.first {
                *first = None;
            }
            if *count == 0 {
                self.of.remove(&gone.what);
            }
        }
    }

    pub(super) fn remove_all_of(&mut self, process: usize) {
        while let Some(key) = self.known.range((process, 0)..=(process, u64::MAX)).next().map(|(key, _)| *key)
        {
            self.remove(key);
        }
    }

    pub(super) fn is_named(&self, what: Named) -> bool {
        self.of.contains_key(&what)
    }

    /// The name that came with something.
    pub(super) fn first_of(&self, what: Named) -> Option<Key> {
        self.of.get(&what)?.1
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
        // One that had this number before, and ended in the middle of it, takes nothing more away.
        self.is_done(by);
        for key in self.fading(by) {
            self.stays(key);
        }
        self.revocations.push((above, by));
        let mut open = vec![above];
        while let Some(key) = open.pop() {
            for child in self.derived.get(&key).into_iter().flatten() {
                if let Some(name) = self.known.get_mut(child) {
                    name.fading = Some(by);
                }
                self.faded.insert(*child);
                open.push(*child);
            }
        }
    }

    /// What a thread takes away, or did not get done.
    pub(super) fn fading(&self, by: u32) -> Vec<Key> {
        let by_it = |key: &&Key| self.find(**key).is_some_and(|name| name.fading == Some(by));
        self.faded.iter().filter(by_it).copied().collect()
    }

    /// What anybody takes away.
    pub(super) fn faded(&self) -> Vec<Key> {
        self.faded.iter().copied().collect()
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
        if other.is_none() {
            self.faded.remove(&key);
        }
    }
}
