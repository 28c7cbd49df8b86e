//! Protocol buffers, as far as the files of TensorBoard and Weights & Biases need them: messages are
//! written, never read.
//!
//! A field is its number and wire type in one varint, then its value: wire type 0 a varint, 1 eight
//! bytes, 2 a length and that many bytes, 5 four bytes
//! (<https://protobuf.dev/programming-guides/encoding>).

/// A message; each method appends a field.
#[derive(Debug, Clone, Default)]
pub struct Message(Vec<u8>);

impl Message {
    /// Without fields.
    pub fn new() -> Self {
        Message::default()
    }

    /// An `int32`, `int64` or enumeration.
    pub fn int(mut self, field: u32, value: i64) -> Self {
        self.key(field, 0);
        // negative numbers as two's complement, ten bytes
        self.varint(value as u64);
        self
    }

    /// A `double`.
    pub fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A `float`.
    pub fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A `string`, or `bytes` that hold text.
    pub fn text(self, field: u32, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    /// A message inside this one; one of several if called again.
    pub fn message(self, field: u32, value: Message) -> Self {
        self.bytes(field, &value.0)
    }

    /// Takes over the fields of another message.
    pub fn append(&mut self, other: &Message) {
        self.0.extend(&other.0);
    }

    /// The encoded message.
    pub fn encoded(&self) -> &[u8] {
        &self.0
    }

    fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn key(&mut self, field: u32, wire_type: u64) {
        self.varint(u64::from(field) << 3 | wire_type);
    }

    /// Seven bits a byte, the lowest first; the top bit says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_the_examples_in_the_documentation_of_the_format() {
        // protobuf.dev: field 1 with 150, field 2 with "testing", field 3 with the first message
        let first = Message::new().int(1, 150);
        assert_eq!(first.encoded(), [0x08, 0x96, 0x01]);
        assert_eq!(
            Message::new().text(2, "testing").encoded(),
            *b"\x12\x07testing"
        );
        assert_eq!(
            Message::new().message(3, first).encoded(),
            [0x1a, 0x03, 0x08, 0x96, 0x01]
        );
        let minus_two = Message::new().int(1, -2);
        assert_eq!(
            minus_two.encoded(),
            [
                0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01
            ]
        );
    }

    #[test]
    fn numbers_of_fixed_width_are_little_endian() {
        assert_eq!(
            Message::new().double(1, 1.0).encoded(),
            [0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]
        );
        // a field number above 15 takes two bytes
        assert_eq!(
            Message::new().float(16, 1.0).encoded(),
            [0x85, 0x01, 0, 0, 0x80, 0x3f]
        );
    }
}
