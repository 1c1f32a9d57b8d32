//! What memory a process may still take: of the host, and of the control group that it is in.

/// Bytes; `None` where the kernel does not say.
pub fn available() -> Option<u64> {
    let host = of_host(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
    Some(of_group().map_or(host, |group| group.min(host)))
}

/// `MemAvailable`, what can be had without swapping.
fn of_host(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// What the limit of a container leaves, where it is one of control groups' second version. Groups above it are not looked at.
fn of_group() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let number = |name: &str| -> Option<u64> {
        std::fs::read_to_string(format!("/sys/fs/cgroup/{path}/{name}")).ok()?.trim().parse().ok()
    };
    let taken = number("memory.current")?;
    let stat = std::fs::read_to_string(format!("/sys/fs/cgroup/{path}/memory.stat")).ok()?;
    Some(number("memory.max")?.saturating_sub(taken.saturating_sub(given_up(&stat))))
}

/// What the kernel gives up of a group before anybody has to do without: copies of files that nobody has looked at lately, and its own.
fn given_up(stat: &str) -> u64 {
    let of = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse::<u64>().ok());
    of("inactive_file").unwrap_or(0).saturating_add(of("slab_reclaimable").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read_and_what_it_does_not_say_is_not_made_up() {
        assert_eq!(of_host("MemTotal:  24000000 kB\nMemAvailable:   2048 kB\n"), Some(2_097_152));
        assert_eq!(of_host("MemTotal:  24000000 kB\n"), None);
        assert_eq!(of_host("MemAvailable: some kB\n"), None);
        assert_eq!(given_up("anon 7\ninactive_file 40\nslab_reclaimable 2\ninactive_filex 9\n"), 42);
        assert_eq!(given_up(""), 0);
    }
}
