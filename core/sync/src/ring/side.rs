//! One side of a ring.

use super::packet::PACKET_WORDS;
use super::shape::NUMBERS;
use super::slots::Slots;
use super::{Extent, Packet, Shape, SharedWords, Side};

/// Beside the number of a slot: it comes back with nothing in it.
const EMPTY: u16 = 1 << 15;

/// What is wrong with what the other side has written, or with what this side asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RingError {
    /// The other side says that it has sent more than there are slots.
    TooMany,
    /// The other side has sent a slot that there is not.
    NoSuchSlot(u16),
    /// The other side has sent a slot that it does not have.
    NotTheirs(u16),
    /// Data would lie where there is no memory for it.
    OutOfData(Extent),
    /// This side does not hold the slot: it is another ring's.
    NotHeld(u16),
}

/// Whether the other side rests and has to be told that something has come.
#[must_use = "the other side may sleep until it is told"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doorbell {
    /// It will not look by itself.
    Ring,
    /// It will.
    Leave,
}

/// What to do when there is nothing left to do.
#[must_use = "only a side that may sleep is told of what comes"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rest {
    /// Publish first: something was sent that the other side cannot see.
    Publish,
    /// Look again: something has come meanwhile.
    Look,
    /// Sleep until the doorbell rings, and then say `woken`.
    Sleep,
}

/// What has come.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// A packet, in a slot that is now this side's.
    Packet(Slot, Packet),
    /// Nothing yet.
    Nothing,
    /// Nothing, and nothing will come: the other side has closed.
    Closed,
}

/// A slot that this side holds: to be kept, sent on or given back, once.
#[must_use = "a slot that is forgotten is lost to both sides"]
#[derive(Debug, PartialEq, Eq)]
pub struct Slot(u16);

/// One side of a ring with up to 64 slots a bank.
#[derive(Debug)]
pub struct Ring<W, const BANKS: usize = 1> {
    words: W,
    shape: Shape,
    side: Side,
    /// The slots that are this side's; of them, those with nothing in them.
    owned: Slots<BANKS>,
    free: Slots<BANKS>,
    /// How many numbers this side has put into its ring, and how many of them the other side can see.
    sent: u64,
    published: u64,
    /// The word of the ring that is being filled.
    numbers: u64,
    /// How many numbers this side has taken, and how many it knows of.
    taken: u64,
    known: u64,
    /// This side's rests, and the rest of the other side that was ended by a doorbell already.
    rest: u64,
    rung: u64,
}

impl<W: SharedWords, const BANKS: usize> Ring<W, BANKS> {
    /// One side of a ring over words that are zero, as many as the shape takes; `None` if it has too many slots.
    #[must_use]
    pub fn new(words: W, shape: Shape, side: Side) -> Option<Self> {
        if usize::from(shape.slots()) > Slots::<BANKS>::CAPACITY {
            return None;
        }
        let mut free = Slots::none();
        for slot in (0..shape.slots()).filter(|slot| shape.begins_with(side, *slot)) {
            free.insert(slot);
        }
        let (sent, published, numbers, taken, known) = (0, 0, 0, 0, 0);
        Some(Self {
            words,
            shape,
            side,
            owned: free,
            free,
            sent,
            published,
            numbers,
            taken,
            known,
            rest: 0,
            rung: 0,
        })
    }

    /// How many packets can be sent before a slot comes back.
    #[must_use]
    pub fn room(&self) -> u32 {
        self.free.count()
    }

    /// Puts a packet into a free slot; says whether there was one. The other side sees it when it is published.
    ///
    /// # Errors
    /// If its data would lie where there is no memory.
    pub async fn send(&mut self, packet: Packet) -> Result<bool, RingError> {
        self.check(packet.extent)?;
        let Some(slot) = self.free.lowest() else { return Ok(false) };
        self.free.remove(slot);
        self.fill(slot, packet).await;
        Ok(true)
    }

    /// Answers in the slot in which a packet has come. The other side sees it when it is published.
    ///
    /// # Errors
    /// If its data would lie where there is no memory, or the slot is another ring's.
    pub async fn send_in(&mut self, slot: Slot, packet: Packet) -> Result<(), RingError> {
        self.check(packet.extent)?;
        self.held(&slot)?;
        self.fill(slot.0, packet).await;
        Ok(())
    }

    /// Gives a slot back to the other side with nothing in it.
    ///
    /// # Errors
    /// If the slot is another ring's.
    pub async fn give_back(&mut self, slot: Slot) -> Result<(), RingError> {
        self.held(&slot)?;
        self.put(slot.0, EMPTY).await;
        Ok(())
    }

    /// Keeps a slot, to send something in it some time.
    ///
    /// # Errors
    /// If the slot is another ring's.
    pub fn keep(&mut self, slot: Slot) -> Result<(), RingError> {
        self.held(&slot)?;
        self.free.insert(slot.0);
        Ok(())
    }

    /// Lets the other side see all that was sent.
    pub async fn publish(&mut self) -> Doorbell {
        if self.published != self.sent {
            let last = self.shape.number(self.side, self.sent.wrapping_sub(1)).0;
            self.words.store(last, self.numbers).await;
            self.published = self.sent;
            self.words.store(Shape::sent(self.side), self.sent).await;
        }
        self.doorbell().await
    }

    /// Says that nothing more will come from this side.
    pub async fn close(&mut self) -> Doorbell {
        let _ = self.publish().await;
        self.words.store(Shape::closed(self.side), 1).await;
        self.rung = 0;
        self.doorbell().await
    }

    /// Takes what has come next.
    ///
    /// # Errors
    /// If the other side has written nonsense. Nothing is taken then, and asking again finds the same.
    pub async fn receive(&mut self) -> Result<Received, RingError> {
        // One that comes back empty each time is no reason to stay here longer than there are slots.
        for _ in 0..=self.shape.slots() {
            if self.taken == self.known && !self.look().await? {
                let closed = self.words.load(Shape::closed(self.side.other())).await != 0;
                // Who sees that it has closed sees what it has sent before.
                if !self.look().await? {
                    return Ok(if closed { Received::Closed } else { Received::Nothing });
                }
            }
            if let Some(received) = self.take().await? {
                return Ok(received);
            }
        }
        Ok(Received::Nothing)
    }

    /// Before this side sleeps: says whether it may.
    pub async fn rest(&mut self) -> Rest {
        if self.published != self.sent {
            return Rest::Publish;
        }
        self.rest = self.rest.wrapping_add(1);
        self.words.store(Shape::rest(self.side), self.rest).await;
        self.words.fence();
        let sent = self.words.load(Shape::sent(self.side.other())).await;
        if sent == self.taken && self.words.load(Shape::closed(self.side.other())).await == 0 {
            return Rest::Sleep;
        }
        self.woken().await;
        Rest::Look
    }

    /// After this side has slept.
    pub async fn woken(&mut self) {
        if self.rest % 2 == 1 {
            self.rest = self.rest.wrapping_add(1);
            self.words.store(Shape::rest(self.side), self.rest).await;
        }
    }

    /// Writes data, as much as there is.
    ///
    /// # Errors
    /// If there is no memory for it there.
    pub async fn write(&self, extent: Extent, data: &[u64]) -> Result<(), RingError> {
        self.check(extent)?;
        let length = data.len().min(extent.length as usize);
        self.words.store_run(self.shape.data_word(extent.start), &data[..length]).await;
        Ok(())
    }

    /// Reads data once, as much as there is room for.
    ///
    /// # Errors
    /// If there is no memory for it there.
    pub async fn read(&self, extent: Extent, data: &mut [u64]) -> Result<(), RingError> {
        self.check(extent)?;
        let length = data.len().min(extent.length as usize);
        self.words.load_run(self.shape.data_word(extent.start), &mut data[..length]).await;
        Ok(())
    }

    fn check(&self, extent: Extent) -> Result<(), RingError> {
        if extent.lies_in(self.shape.data()) { Ok(()) } else { Err(RingError::OutOfData(extent)) }
    }

    fn held(&self, slot: &Slot) -> Result<(), RingError> {
        let held = slot.0 < self.shape.slots() && self.owned.contains(slot.0) && !self.free.contains(slot.0);
        if held { Ok(()) } else { Err(RingError::NotHeld(slot.0)) }
    }

    async fn fill(&mut self, slot: u16, packet: Packet) {
        self.words.store_run(self.shape.packet(slot), &packet.to_words()).await;
        self.put(slot, 0).await;
    }

    /// Puts the number of a slot into this side's ring. A word is written when it is full, or published.
    async fn put(&mut self, slot: u16, empty: u16) {
        self.owned.remove(slot);
        let (word, shift) = self.shape.number(self.side, self.sent);
        if shift == 0 {
            self.numbers = 0;
        }
        self.numbers |= u64::from(slot | empty) << shift;
        self.sent = self.sent.wrapping_add(1);
        if shift == (NUMBERS as u32 - 1) * 16 {
            self.words.store(word, self.numbers).await;
        }
    }

    /// Whether something has come that was not known.
    async fn look(&mut self) -> Result<bool, RingError> {
        let sent = self.words.load(Shape::sent(self.side.other())).await;
        if sent.wrapping_sub(self.taken) > u64::from(self.shape.slots()) {
            return Err(RingError::TooMany);
        }
        self.known = sent;
        Ok(sent != self.taken)
    }

    /// Takes the next number; a slot that comes back empty is free and nothing to speak of.
    async fn take(&mut self) -> Result<Option<Received>, RingError> {
        let (word, shift) = self.shape.number(self.side.other(), self.taken);
        let number = (self.words.load(word).await >> shift) as u16;
        let slot = number & !EMPTY;
        if slot >= self.shape.slots() {
            return Err(RingError::NoSuchSlot(slot));
        }
        if self.owned.contains(slot) {
            return Err(RingError::NotTheirs(slot));
        }
        if number & EMPTY != 0 {
            self.free.insert(slot);
            self.owned.insert(slot);
            self.taken = self.taken.wrapping_add(1);
            return Ok(None);
        }
        let mut found = [0; PACKET_WORDS];
        self.words.load_run(self.shape.packet(slot), &mut found).await;
        // What is looked at from here on cannot change any more.
        let packet = Packet::from_words(found);
        self.check(packet.extent)?;
        self.owned.insert(slot);
        self.taken = self.taken.wrapping_add(1);
        Ok(Some(Received::Packet(Slot(slot), packet)))
    }

    /// Whether the other side has to be told, and was not told for this rest yet.
    async fn doorbell(&mut self) -> Doorbell {
        self.words.fence();
        let rest = self.words.load(Shape::rest(self.side.other())).await;
        if rest % 2 == 0 || rest == self.rung {
            return Doorbell::Leave;
        }
        self.rung = rest;
        Doorbell::Ring
    }
}
