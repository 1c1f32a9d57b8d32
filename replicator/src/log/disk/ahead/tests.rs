use std::io::Cursor;

use super::*;

/// A file in memory; what is allocated and not written is `.`.
#[derive(Default)]
struct File(Cursor<Vec<u8>>);

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.0.seek(to)
    }
}

impl WriteExt for File {
    fn truncate(&mut self, to: usize) -> Result<()> {
        self.0.get_mut().truncate(to);
        self.0.set_position(to as u64);
        Ok(())
    }

    fn allocate(&mut self, from: usize, len: usize) -> Result<()> {
        self.0.get_mut().resize(from + len, b'.');
        Ok(())
    }
}

fn content(file: &Filling<File>) -> &[u8] {
    file.to.0.get_ref()
}

#[test]
fn zeros_go_ahead_of_what_is_written_a_stretch_at_a_time() {
    let mut file = Filling::new(File::default());
    file.allocate(0, 4 * STRETCH).unwrap();
    file.write_all(b"one").unwrap();
    assert_eq!(&content(&file)[..3], b"one");
    assert!(content(&file)[3..3 + STRETCH].iter().all(|byte| *byte == 0));
    assert!(content(&file)[3 + STRETCH..].iter().all(|byte| *byte == b'.'), "no more than a stretch");
    file.write_all(&vec![1; STRETCH]).unwrap();
    assert_eq!(content(&file)[3 + STRETCH], b'.', "it still has blocks in place");
    file.write_all(b"x").unwrap();
    let end = 4 + STRETCH;
    assert_eq!(&content(&file)[end - 2..end], b"\x01x");
    assert!(content(&file)[end..end + STRETCH].iter().all(|byte| *byte == 0));
}

#[test]
fn nothing_is_filled_beyond_what_is_allocated() {
    let mut file = Filling::new(File::default());
    file.write_all(b"header").unwrap();
    assert_eq!(content(&file), b"header", "nothing was allocated");
    file.allocate(6, 10).unwrap();
    file.write_all(b"one").unwrap();
    assert_eq!(content(&file), b"headerone\0\0\0\0\0\0\0");
    file.write_all(b"two-two").unwrap();
    assert_eq!(content(&file), b"headeronetwo-two");
    file.write_all(b"more").unwrap();
    assert_eq!(content(&file), b"headeronetwo-twomore");
}

#[test]
fn what_was_written_is_never_filled_over() {
    let mut file = Filling::new(File::default());
    file.allocate(0, 4 * STRETCH).unwrap();
    file.write_all(&vec![7; STRETCH / 2]).unwrap();
    file.seek(SeekFrom::Start(2)).unwrap();
    file.write_all(b"again").unwrap();
    assert_eq!(&content(&file)[..8], b"\x07\x07again\x07");
    file.truncate(3).unwrap();
    file.allocate(3, 2 * STRETCH).unwrap();
    file.write_all(b"new").unwrap();
    assert_eq!(&content(&file)[..6], b"\x07\x07anew");
    assert!(content(&file)[6..6 + STRETCH].iter().all(|byte| *byte == 0), "what was cut off counts as filled no more");
}

#[test]
fn a_write_longer_than_a_stretch_has_blocks_in_place_behind_it() {
    let mut file = Filling::new(File::default());
    file.allocate(0, 4 * STRETCH).unwrap();
    file.write_all(&vec![7; 2 * STRETCH]).unwrap();
    assert!(content(&file)[..2 * STRETCH].iter().all(|byte| *byte == 7));
    assert!(content(&file)[2 * STRETCH..3 * STRETCH].iter().all(|byte| *byte == 0));
    assert_eq!(content(&file)[3 * STRETCH], b'.');
}
