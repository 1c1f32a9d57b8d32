//! Which run of its host a process is in: what was written and not synced is there for the rest of it, whatever becomes of
//! processes, and may be gone in the next.

use std::path::Path;

/// Where Linux says it: a random number for each start of the kernel.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootId([u8; 16]);

impl BootId {
    /// Of this host; `None` when it does not say.
    pub fn of_this_host() -> Option<BootId> {
        BootId::read(Path::new(BOOT_ID))
    }

    /// For tests: hosts that never were.
    pub const fn new(bytes: [u8; 16]) -> BootId {
        BootId(bytes)
    }

    fn read(path: &Path) -> Option<BootId> {
        let text = std::fs::read_to_string(path).ok()?;
        let digits: String = text.trim().chars().filter(|digit| *digit != '-').collect();
        u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32).map(|id| BootId(id.to_le_bytes()))
    }

    /// As stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
