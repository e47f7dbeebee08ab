//! The one table: what is encoded is decoded again, and what cannot be is refused.

use coldframe_abi::{Call, Error, Kind, Number, Request, TABLE};
use proptest::prelude::*;

proptest! {
    #[test]
    fn no_request_panics_and_what_decodes_encodes_back(number in prop_oneof![0_u64..24, any::<u64>()], arguments: [u64; 6]) {
        let request = Request { number, arguments };
        match Call::decode(&request) {
            Ok(call) => {
                prop_assert_eq!(call.number() as u64, number);
                let words: usize = call.number().description().parameters.iter().map(|p| p.kind.words()).sum();
                let encoded = call.encode();
                prop_assert_eq!(&encoded.arguments[..words], &arguments[..words]);
                prop_assert!(encoded.arguments[words..].iter().all(|word| *word == 0));
            }
            Err(error) => {
                let expected = if Number::from_word(number).is_some() { Error::BadArgument } else { Error::UnknownCall };
                prop_assert_eq!(error, expected);
            }
        }
    }
}

#[test]
fn the_table_is_dense_and_fits_the_registers() {
    for (index, number) in TABLE.iter().enumerate() {
        let row = number.description();
        assert_eq!(*number as usize, index, "{} has its place in the table", row.name);
        assert_eq!(Number::from_word(index as u64), Some(*number));
        let words: usize = row.parameters.iter().map(|p| p.kind.words()).sum();
        assert!(words <= 6, "{} needs {words} registers", row.name);
        assert!(row.result.words() <= 1 && row.result != Kind::Range, "{} answers in one register", row.name);
        assert!(row.line.ends_with('.') && row.line.len() < 100, "{}: one line of documentation", row.name);
    }
    for error in Error::ALL {
        assert_eq!(Error::from_code(*error as u64), Some(*error));
    }
    assert_eq!(Error::from_code(0), None);
}
