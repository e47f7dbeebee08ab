//! Simulated RAM: frames that exist once somebody writes to them.

use coldframe_hal::{FRAME_WORDS, Frame, PhysicalAddress};

type Page = Box<[u64; FRAME_WORDS]>;

/// The RAM of a simulated machine: one run of frames from 0 on.
#[derive(Clone, Debug)]
pub struct Ram {
    pages: Vec<Option<Page>>,
}

impl Ram {
    /// RAM with this many frames, all zero.
    #[must_use]
    pub fn new(frames: usize) -> Self {
        Self { pages: vec![None; frames] }
    }

    /// How many frames there are.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.pages.len() as u64
    }

    fn page(&self, frame: Frame) -> &Option<Page> {
        let count = self.pages.len();
        self.pages
            .get(frame.0 as usize)
            .unwrap_or_else(|| panic!("{frame:?} is not RAM: there are {count} frames"))
    }

    fn page_mut(&mut self, frame: Frame) -> &mut Option<Page> {
        let count = self.pages.len();
        self.pages
            .get_mut(frame.0 as usize)
            .unwrap_or_else(|| panic!("{frame:?} is not RAM: there are {count} frames"))
    }

    /// Reads a word; the address must be a multiple of eight.
    #[must_use]
    pub fn read(&self, address: PhysicalAddress) -> u64 {
        assert!(address.0.is_multiple_of(8), "{address:?} is no word");
        let word = (address.0 / 8) as usize % FRAME_WORDS;
        self.page(address.frame()).as_ref().map_or(0, |page| page[word])
    }

    /// Writes a word; the address must be a multiple of eight.
    pub fn write(&mut self, address: PhysicalAddress, value: u64) {
        assert!(address.0.is_multiple_of(8), "{address:?} is no word");
        let word = (address.0 / 8) as usize % FRAME_WORDS;
        self.page_mut(address.frame()).get_or_insert_with(|| Box::new([0; FRAME_WORDS]))[word] = value;
    }

    /// Whether anything was ever written to a frame: what was not is all zero.
    #[must_use]
    pub fn is_written(&self, frame: Frame) -> bool {
        self.page(frame).is_some()
    }

    /// Copies a frame.
    pub fn copy(&mut self, from: Frame, to: Frame) {
        let copy = self.page(from).clone();
        *self.page_mut(to) = copy;
    }

    /// Makes a frame all zero.
    pub fn zero(&mut self, frame: Frame) {
        if let Some(page) = self.page_mut(frame) {
            page.fill(0);
        }
    }
}
