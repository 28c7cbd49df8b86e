//! A reader of protocol buffers and the checksums, for tests: shares nothing with what it checks.

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Wire {
    Varint(u64),
    Eight([u8; 8]),
    Bytes(Vec<u8>),
    Four([u8; 4]),
}

/// The fields of a message in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Fields(pub Vec<(u64, Wire)>);

impl Fields {
    pub fn read(mut data: &[u8]) -> Self {
        fn varint(data: &mut &[u8]) -> u64 {
            let length = 1 + data.iter().position(|byte| byte & 0x80 == 0).unwrap();
            let (bytes, rest) = data.split_at(length);
            *data = rest;
            let digits = bytes.iter().rev().map(|byte| u64::from(byte & 0x7f));
            digits.fold(0, |value, digit| value << 7 | digit)
        }
        fn take<'a>(data: &mut &'a [u8], length: usize) -> &'a [u8] {
            let (bytes, rest) = data.split_at(length);
            *data = rest;
            bytes
        }
        let mut fields = Vec::new();
        while !data.is_empty() {
            let key = varint(&mut data);
            let value = match key & 7 {
                0 => Wire::Varint(varint(&mut data)),
                1 => Wire::Eight(take(&mut data, 8).try_into().unwrap()),
                2 => {
                    let length = varint(&mut data) as usize;
                    Wire::Bytes(take(&mut data, length).to_vec())
                }
                5 => Wire::Four(take(&mut data, 4).try_into().unwrap()),
                other => panic!("wire type {other}"),
            };
            fields.push((key >> 3, value));
        }
        Fields(fields)
    }

    fn all(&self, number: u64) -> impl Iterator<Item = &Wire> {
        let of_number = self.0.iter().filter(move |(field, _)| *field == number);
        of_number.map(|(_, value)| value)
    }

    pub fn has(&self, number: u64) -> bool {
        self.all(number).next().is_some()
    }

    pub fn int(&self, number: u64) -> i64 {
        match self.all(number).next() {
            Some(Wire::Varint(value)) => *value as i64,
            other => panic!("field {number} is {other:?}"),
        }
    }

    pub fn double(&self, number: u64) -> f64 {
        match self.all(number).next() {
            Some(Wire::Eight(bytes)) => f64::from_le_bytes(*bytes),
            other => panic!("field {number} is {other:?}"),
        }
    }

    pub fn float(&self, number: u64) -> f32 {
        match self.all(number).next() {
            Some(Wire::Four(bytes)) => f32::from_le_bytes(*bytes),
            other => panic!("field {number} is {other:?}"),
        }
    }

    pub fn text(&self, number: u64) -> String {
        match self.all(number).next() {
            Some(Wire::Bytes(bytes)) => String::from_utf8(bytes.clone()).unwrap(),
            other => panic!("field {number} is {other:?}"),
        }
    }

    pub fn messages(&self, number: u64) -> Vec<Fields> {
        let read = |value: &Wire| match value {
            Wire::Bytes(bytes) => Fields::read(bytes),
            other => panic!("field {number} is {other:?}"),
        };
        self.all(number).map(read).collect()
    }

    pub fn message(&self, number: u64) -> Fields {
        self.messages(number).remove(0)
    }
}

/// A cyclic redundancy check of 32 bits, bit by bit; `polynomial` with its bits reversed.
pub fn checksum(polynomial: u32, data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { polynomial } else { 0 };
        }
    }
    !crc
}

/// That of zlib.
pub const ZLIB: u32 = 0xedb8_8320;
/// That of Castagnoli.
pub const CASTAGNOLI: u32 = 0x82f6_3b78;

#[test]
fn checksums_are_those_of_the_catalogue() {
    assert_eq!(checksum(ZLIB, b"123456789"), 0xcbf4_3926);
    assert_eq!(checksum(CASTAGNOLI, b"123456789"), 0xe306_9283);
}
