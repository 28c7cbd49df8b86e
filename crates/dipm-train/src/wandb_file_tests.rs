use super::*;
use crate::protobuf_reading::{ZLIB, checksum};

/// The records of a file, every piece checked.
pub(crate) fn read(path: &Path) -> Vec<Vec<u8>> {
    let data = fs::read(path).unwrap();
    assert_eq!(data[..7], [b':', b'W', b'&', b'B', 0xe1, 0xbe, 0]);
    let (mut at, mut records, mut open) = (7, Vec::new(), None::<Vec<u8>>);
    while at < data.len() {
        let left = 32768 - at % 32768;
        if left < 7 {
            assert!(data[at..at + left].iter().all(|byte| *byte == 0));
            at += left;
            continue;
        }
        let crc = u32::from_le_bytes(data[at..at + 4].try_into().unwrap());
        let length = usize::from(u16::from_le_bytes([data[at + 4], data[at + 5]]));
        let kind = data[at + 6];
        let piece = &data[at + 7..at + 7 + length];
        assert!(7 + length <= left, "a piece within its block");
        assert_eq!(crc, checksum(ZLIB, &data[at + 6..at + 7 + length]));
        assert_eq!(open.is_none(), kind == 1 || kind == 2, "kind {kind}");
        open.get_or_insert_default().extend(piece);
        if kind == 1 || kind == 4 {
            records.extend(open.take());
        }
        at += 7 + length;
    }
    assert!(open.is_none(), "the last record is whole");
    records
}

#[test]
fn records_of_any_length_come_back_wherever_a_block_ends() {
    let directory = tempfile::tempdir().unwrap();
    // the first record leaves from 20 to 0 bytes of the block to the second
    for left in 0..=20 {
        let path = directory.path().join(format!("{left}.wandb"));
        let mut file = WandbFile::create(&path).unwrap();
        let first = vec![7u8; 32768 - 7 - 7 - left];
        let records: Vec<Vec<u8>> = [
            first,
            vec![],
            vec![1; 5],
            (0..=255).cycle().take(100_000).collect(),
        ]
        .into();
        for record in &records {
            file.append(record).unwrap();
        }
        assert!(read(&path) == records, "{left} bytes left");
        assert_eq!(file.length(), fs::metadata(&path).unwrap().len());
    }
}

#[test]
fn what_is_dropped_is_replaced_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.wandb");
    let mut file = WandbFile::create(&path).unwrap();
    file.append(b"kept").unwrap();
    let before = file.length();
    file.append(&[1; 40_000]).unwrap();
    file.truncate(before).unwrap();
    file.append(b"new").unwrap();
    assert_eq!(read(&path), [b"kept".to_vec(), b"new".to_vec()]);
}
