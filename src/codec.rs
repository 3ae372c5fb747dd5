//! Little-endian, length-prefixed fields: the plaintext layout of all records.

use alloc::vec::Vec;

/// Appends fields to a buffer.
#[derive(Default)]
pub struct Writer {
    pub bytes: Vec<u8>,
}

impl Writer {
    #[inline(always)]
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Bytes whose length the reader knows.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A number of any size in as few bytes as it needs (LEB128): seven bits a byte, the lowest first.
    pub fn number(&mut self, value: u64) {
        let mut rest = value;
        while rest > 0x7f {
            self.u8(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.u8(rest as u8);
    }

    /// Bytes of any length, with their length before them.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.raw(bytes);
    }
}

/// Bytes that [`Writer::number`] takes.
pub const fn number_bytes(value: usize) -> usize {
    let bits = usize::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// Bytes that [`Writer::bytes`] takes for a field of this length.
pub const fn field_bytes(length: usize) -> usize {
    number_bytes(length) + length
}

/// Takes fields off a slice; `None` when it ends too early.
#[derive(Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[inline(always)]
    pub fn raw(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    #[inline(always)]
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    #[inline(always)]
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// See [`Writer::number`]. One number has one form: longer ones are refused.
    #[inline(always)]
    pub fn number(&mut self) -> Option<u64> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte <= 0x7f => {
                self.rest = rest;
                Some(byte.into())
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return (byte != 0 || shift == 0).then_some(value);
            }
        }
        None
    }

    /// A number that counts what follows.
    #[inline(always)]
    pub fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    /// See [`Writer::bytes`].
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        self.raw(length)
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not taken yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// `Some` if everything was taken.
    pub fn end(self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_and_have_one_form() {
        for value in [0, 1, 127, 128, 16_383, 16_384, 1 << 35, u64::MAX - 1, u64::MAX] {
            let mut writer = Writer::default();
            writer.number(value);
            assert_eq!(writer.bytes.len(), number_bytes(value as usize));
            let mut reader = Reader::new(&writer.bytes);
            assert_eq!(reader.number(), Some(value));
            assert!(reader.end().is_some());
            for cut in 0..writer.bytes.len() {
                assert_eq!(Reader::new(&writer.bytes[..cut]).number(), None);
            }
        }
        for bytes in
            [&[0x80, 0][..], &[0xff, 0x80, 0], &[0xff; 11], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]]
        {
            assert_eq!(Reader::new(bytes).number(), None);
        }
    }

    #[test]
    fn a_field_of_any_length_keeps_its_length() {
        for length in [0, 1, 127, 128, 70_000] {
            let mut writer = Writer::default();
            writer.bytes(&alloc::vec![7; length]);
            assert_eq!(writer.bytes.len(), field_bytes(length));
            assert_eq!(Reader::new(&writer.bytes).bytes().map(<[u8]>::len), Some(length));
        }
        let mut lie = Writer::default();
        lie.number(u64::MAX);
        assert!(Reader::new(&lie.bytes).bytes().is_none());
    }
}
