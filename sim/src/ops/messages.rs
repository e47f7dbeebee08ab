//! The messages that programs send: no two are alike, and some carry names or pages, or what nobody can carry.

use coldframe_abi::{Carries, MOST_CARRIED, Message, Passage};
use hal_host::HostRegisters;

use super::names::Named;
use super::{AUTHORITIES, ENDPOINTS, OBJECTS, PAGES, PROCESSES, Programs, REPLIES};

impl Programs {
    /// A message that nobody has sent before, maybe with pages; only a call lends them.
    pub(super) fn message(&mut self, calls: bool) -> Message {
        let message = self.bare_message();
        let draw = (self.messages.wrapping_mul(0xd134_2543_de82_ef95) >> 20) as u32;
        if !self.carries_pages || draw & 3 == 0 {
            return message;
        }
        let (mut words, mut carries) = (message.words, message.carries);
        if draw >> 24 & 15 == 0 {
            // Whatever the register can say, with addresses and names where it may look for them.
            let tag = u64::from(draw.wrapping_mul(0x9e37_79b9)) << 8;
            let near = |word: u64| PAGES.start.0 + word % 16 * 4_096;
            words.iter_mut().skip(1).step_by(2).for_each(|word| *word = near(*word >> 3));
            return Message { words, ..message }.carrying(Carries::of_tag(tag));
        }
        let lent = if calls || draw >> 2 & 31 == 0 { 3 } else { 1 };
        for range in 0..1 + (draw >> 7 & 1) {
            let draw = draw.rotate_right(8 + 12 * range);
            let passage =
                [Passage::Moved, Passage::LentToWrite, Passage::LentToRead][(draw & 0xff) as usize % lent];
            let pages = match draw >> 8 & 15 {
                0 => 33,
                few => 1 + u64::from(few & 3),
            };
            let place = carries.count().min(MOST_CARRIED) + range as usize;
            words[place] =
                PAGES.start.0 + u64::from(draw >> 12 & 15) % 13 * 4_096 + u64::from(draw >> 16 & 31 == 0);
            carries = carries.and_pages(passage, pages);
        }
        Message { words, ..message }.carrying(carries)
    }

    fn bare_message(&mut self) -> Message {
        self.messages += 1;
        let words = std::array::from_fn(|word| self.messages * 16 + word as u64);
        // Few labels: each is one of the answers to a fault.
        let message = Message { label: self.messages % 4, words, ..Message::default() };
        if !self.carries || !self.messages.is_multiple_of(2) {
            return message;
        }
        // Most carry one or two, copied or moved, and a few what nobody can carry.
        let draw = (self.messages.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24) as u32;
        let count = [1, 1, 1, 1, 2, 2, 2, if draw >> 16 & 3 == 0 { 5 } else { 3 }][(draw & 7) as usize];
        let moved = [0, 0, 0, 1, 0, 2, 0, 15][(draw >> 3 & 7) as usize];
        let (mut words, mut moved) = (message.words, moved);
        for (index, word) in words.iter_mut().enumerate().take(count) {
            let draw = draw >> (6 + 5 * index as u32);
            let first = [ENDPOINTS, ENDPOINTS, ENDPOINTS, REPLIES, OBJECTS, 0, PROCESSES, AUTHORITIES];
            let (name, stays) = self.names.to_carry(first[(draw & 7) as usize] + (draw >> 3 & 3) as u8);
            *word = name.to_word();
            moved &= !(u8::from(stays) << index);
        }
        Message { words, ..message }.carrying(Carries::new(count as u8, moved))
    }

    /// Names that have come with a message are used from now on, as if they were for whatever is wanted.
    pub(super) fn keep_carried(&mut self, registers: &mut HostRegisters) {
        let message = registers.message;
        if !self.carries || registers.reply.status != 0 || message.carries == Carries::NONE {
            return;
        }
        registers.message.carries = Carries::NONE;
        for word in &message.words[..message.carries.count().min(MOST_CARRIED)] {
            let named = [Named::Endpoint, Named::Reply, Named::Thread, Named::Process];
            self.names.keep(named[(word % 4) as usize], *word);
        }
    }
}
