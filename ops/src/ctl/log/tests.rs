use super::*;

#[test]
fn a_range_goes_forwards() {
    assert_eq!(range("100..120").unwrap(), (100, 120));
    assert_eq!(range("7..").unwrap(), (7, u64::MAX));
    assert_eq!(range("..7").unwrap(), (1, 7));
    for wrong in ["5..1", "5", "a..b", ""] {
        assert!(range(wrong).unwrap_err().to_string().contains("is no range"), "{wrong}");
    }
}

#[test]
fn what_is_wrong_with_the_copy_is_told_of_the_directory_itself() {
    let why = std::io::Error::other("a file of /tmp/copy-1/0001 is damaged: keep /tmp/copy-1 for examination");
    let said = original(&why, Path::new("/tmp/copy-1"), Path::new("/data/node-1/log")).to_string();
    assert_eq!(said, "a file of /data/node-1/log/0001 is damaged: keep /data/node-1/log for examination");
}
