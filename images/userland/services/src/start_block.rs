//! What a program finds on its stack when it starts: how many arguments there are, where each is, and the variables of its
//! environment, as System V has them on machines of 64 bits.

use core::iter;

use coldframe_abi::UserAddress;

const WORD: u64 = 8;
/// The stack of a thread that starts is at a multiple of this.
const ALIGNMENT: u64 = 16;

/// The arguments and the environment of a program that is to be started.
#[derive(Clone, Copy, Debug)]
pub struct StartBlock<'a> {
    arguments: &'a [&'a str],
    environment: &'a [&'a str],
}

impl<'a> StartBlock<'a> {
    /// These arguments and variables, each of the form `NAME=value`; nothing if one has a zero in it, which ends texts here.
    #[must_use]
    pub fn new(arguments: &'a [&'a str], environment: &'a [&'a str]) -> Option<Self> {
        let block = Self { arguments, environment };
        let is_plain = block.texts().all(|text| !text.contains('\0'));
        is_plain.then_some(block)
    }

    fn texts(self) -> impl Iterator<Item = &'a str> {
        self.arguments.iter().chain(self.environment).copied()
    }

    /// The count, and for each text and each of the two ends a word.
    const fn table_words(self) -> u64 {
        1 + self.arguments.len() as u64 + 1 + self.environment.len() as u64 + 1
    }

    /// How many bytes it takes: so far below the top of the stack it begins.
    #[must_use]
    pub fn length(self) -> u64 {
        let texts: u64 = self.texts().map(|text| text.len() as u64 + 1).sum();
        (self.table_words() * WORD + texts).next_multiple_of(ALIGNMENT)
    }

    /// Its words, from the lowest address on, for a block that is seen to begin there by the program.
    pub fn words(self, start: UserAddress) -> impl Iterator<Item = u64> {
        let mut next = start.0 + self.table_words() * WORD;
        let mut places = self.texts().map(move |text| {
            let place = next;
            next += text.len() as u64 + 1;
            place
        });
        let count = self.arguments.len();
        let all = count + self.environment.len();
        let table = (0..all + 2).map(move |at| match at {
            _ if at == count || at == all + 1 => 0,
            _ => places.next().unwrap_or(0),
        });
        let mut bytes = self.texts().flat_map(|text| text.bytes().chain(iter::once(0)));
        let words = (self.length() - self.table_words() * WORD) / WORD;
        let texts = (0..words).map(move |_| {
            let word: [u8; WORD as usize] = core::array::from_fn(|_| bytes.next().unwrap_or(0));
            u64::from_le_bytes(word)
        });
        iter::once(count as u64).chain(table).chain(texts)
    }
}

/// Reads such a block, whoever has written it: `load` reads a word of the program's memory.
#[derive(Clone, Copy, Debug)]
pub struct Started<L> {
    load: L,
    at: u64,
}

impl<L: AsyncFn(UserAddress) -> u64> Started<L> {
    /// The block that begins there.
    pub const fn new(load: L, at: UserAddress) -> Self {
        Self { load, at: at.0 }
    }

    async fn word(&self, at: u64) -> u64 {
        (self.load)(UserAddress(self.at.wrapping_add(at.wrapping_mul(WORD)))).await
    }

    /// How many arguments there are.
    pub async fn count(&self) -> u64 {
        self.word(0).await
    }

    /// An argument, as much of it as there is room for.
    pub async fn argument<'b>(&self, number: u64, buffer: &'b mut [u8]) -> Option<&'b str> {
        if number >= self.count().await {
            return None;
        }
        let place = self.word(number.wrapping_add(1)).await;
        self.text(place, buffer).await
    }

    /// The value of a variable of the environment, as much of it as there is room for behind its name.
    pub async fn variable<'b>(&self, name: &str, buffer: &'b mut [u8]) -> Option<&'b str> {
        let first = self.count().await.wrapping_add(2);
        let mut at = first;
        let length = loop {
            let place = self.word(at).await;
            if place == 0 {
                return None;
            }
            let text = self.text(place, buffer).await;
            let value = text.and_then(|text| text.strip_prefix(name)?.strip_prefix('='));
            if let Some(value) = value {
                break value.len();
            }
            at = at.wrapping_add(1);
            // Whoever has written this has forgotten the end.
            if at.wrapping_sub(first) > MOST_VARIABLES {
                return None;
            }
        };
        core::str::from_utf8(buffer.get(name.len() + 1..)?.get(..length)?).ok()
    }

    async fn text<'b>(&self, place: u64, buffer: &'b mut [u8]) -> Option<&'b str> {
        let mut length = 0;
        for byte in &mut *buffer {
            let address = place.wrapping_add(length as u64);
            let word = (self.load)(UserAddress(address / WORD * WORD)).await;
            *byte = word.to_le_bytes()[(address % WORD) as usize];
            if *byte == 0 {
                break;
            }
            length += 1;
        }
        let text = buffer.get(..length)?;
        match core::str::from_utf8(text) {
            Ok(text) => Some(text),
            // A letter that is cut in two at the end of the room is left out.
            Err(error) if length == buffer.len() && error.error_len().is_none() => {
                core::str::from_utf8(text.get(..error.valid_up_to())?).ok()
            }
            Err(_) => None,
        }
    }
}

/// More variables than this are not looked through.
const MOST_VARIABLES: u64 = 1 << 16;
