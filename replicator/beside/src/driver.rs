//! Aeron's C media driver, without threads of its own: whoever has it lets it work.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rusteron_media_driver::bindings::aeron_threading_mode_enum::AERON_THREADING_MODE_INVOKER;
use rusteron_media_driver::{AeronDriver, AeronDriverContext};

use crate::AeronIdle;
use crate::engine::{EngineError, TERM_BYTES};

/// A media driver in this process.
pub struct MediaDriver(AeronDriver);

impl MediaDriver {
    /// Starts it with its files in `directory`, which it deletes before and after.
    pub fn start(directory: &Path) -> Result<MediaDriver, EngineError> {
        let start = || -> Result<AeronDriver, rusteron_media_driver::AeronCError> {
            let context = AeronDriverContext::new()?;
            context.set_dir(&c_path(directory))?;
            context.set_dir_delete_on_start(true)?;
            context.set_dir_delete_on_shutdown(true)?;
            context.set_dir_warn_if_exists(false)?;
            context.set_print_configuration(false)?;
            context.set_threading_mode(AERON_THREADING_MODE_INVOKER)?;
            context.set_term_buffer_length(TERM_BYTES)?;
            context.set_ipc_term_buffer_length(TERM_BYTES)?;
            // A file with holes in a file system without space kills who writes to it.
            context.set_term_buffer_sparse_file(false)?;
            let driver = AeronDriver::new(&context)?;
            driver.start(true)?;
            Ok(driver)
        };
        start().map(MediaDriver).map_err(EngineError::of("start the media driver"))
    }

    /// Some of what it has to do; how much it did. Clients take it for dead when this is not called for a while.
    pub fn work(&self) -> Result<usize, EngineError> {
        let done = self.0.main_do_work().map_err(EngineError::of("let the media driver work"))?;
        Ok(usize::try_from(done).unwrap_or(0))
    }

    /// Lets it work in this thread for as long as `goes_on` says.
    pub fn run(&self, idle: AeronIdle, goes_on: impl Fn() -> bool) -> Result<(), EngineError> {
        let mut idle_cycles = 0_u32;
        while goes_on() {
            idle_cycles = if self.work()? > 0 { 0 } else { idle_cycles.saturating_add(1) };
            match (idle, idle_cycles) {
                (_, 0) => {}
                (AeronIdle::Spin, _) => std::hint::spin_loop(),
                (AeronIdle::Yield, _) | (AeronIdle::BackOff, 1..=64) => thread::yield_now(),
                (AeronIdle::BackOff, _) => thread::sleep(Duration::from_micros(100)),
            }
        }
        Ok(())
    }
}

/// A path that Aeron is told. One with a zero byte is none that exists.
pub(super) fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}
