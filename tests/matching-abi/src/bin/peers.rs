//! Measures shared libraries that speak the ABI on the same messages in one process, one thread, turn by turn, so
//! that a busy machine disturbs them alike. The first is compared with the others.
//!
//! ```text
//! peers OURS.so PEER.so... [--rounds N] [--seed N] [--only N]
//! ```

use std::ffi::{CString, c_char, c_int, c_void};
use std::process::exit;
use std::time::Instant;

use mainstay_matching::flow::{Shape, Stream, draw};
use mainstay_matching::{Cancel, Message, Modify, NewOrder, Report, Tagged, Transport};

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    fn clock_gettime(clock: c_int, time: *mut [i64; 2]) -> c_int;
}

const RTLD_NOW: c_int = 2;
const CLOCK_THREAD_CPUTIME_ID: c_int = 3;

/// What this thread has run, in nanoseconds: what other processes take from it does not count.
fn thread_ns() -> f64 {
    let mut time = [0; 2];
    // SAFETY: a timespec is two words on 64-bit Linux.
    unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time[0] as f64 * 1e9 + time[1] as f64
}

/// The functions of one library.
struct Library {
    name: String,
    init: unsafe extern "C" fn(u64, *const Transport, *mut c_void),
    shutdown: unsafe extern "C" fn(),
    on_new: unsafe extern "C" fn(*const NewOrder),
    on_cancel: unsafe extern "C" fn(*const Cancel),
    on_modify: unsafe extern "C" fn(*const Modify),
    /// Not every engine has it; one that has is given runs of messages, as the harness gives them.
    on_batch: Option<unsafe extern "C" fn(*const Tagged, u32)>,
}

impl Library {
    fn open(path: &str) -> Library {
        let text = CString::new(path).expect("a path");
        // SAFETY: loading a library runs its initialisers; whoever names it on the command line trusts it.
        let handle = unsafe { dlopen(text.as_ptr(), RTLD_NOW) };
        if handle.is_null() {
            eprintln!("{path} cannot be loaded; give a path with a slash");
            exit(2);
        }
        let find = |name: &str| {
            let text = CString::new(name).expect("a name");
            // SAFETY: the handle is open for the life of the process.
            unsafe { dlsym(handle, text.as_ptr()) }
        };
        let symbol = |name: &str| {
            let found = find(name);
            if found.is_null() {
                eprintln!("{path} has no {name}");
                exit(2);
            }
            found
        };
        let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".so").trim_end_matches("_adapter");
        // SAFETY: the header gives these names these types.
        unsafe {
            Library {
                name: name.to_string(),
                init: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(u64, *const Transport, *mut c_void)>(
                    symbol("engine_init"),
                ),
                shutdown: std::mem::transmute::<*mut c_void, unsafe extern "C" fn()>(symbol("engine_shutdown")),
                on_new: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const NewOrder)>(symbol(
                    "engine_on_new_order",
                )),
                on_cancel: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const Cancel)>(symbol(
                    "engine_on_cancel",
                )),
                on_modify: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const Modify)>(symbol(
                    "engine_on_modify",
                )),
                on_batch: Some(find("engine_on_batch"))
                    .filter(|found| !found.is_null())
                    .map(|found| std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const Tagged, u32)>(found)),
            }
        }
    }

    #[inline]
    fn send(&self, message: &Message) {
        // SAFETY: the library was initialised, and the records live through the call.
        unsafe {
            match message {
                Message::New(order) => (self.on_new)(order),
                Message::Cancel(cancel) => (self.on_cancel)(cancel),
                Message::Modify(modify) => (self.on_modify)(modify),
            }
        }
    }
}

/// Messages in one run of a library that takes runs.
const BATCH: usize = 256;

/// Where reports go here: the last ones are kept, all are counted and summed, so that engines can be compared.
struct Tape {
    reports: Vec<Report>,
    count: u64,
    trades: u64,
    sum: u64,
}

const TAPE: usize = 1_024;

unsafe extern "C" fn create(_: u32) -> *mut c_void {
    std::ptr::null_mut()
}

unsafe extern "C" fn push(tape: *mut c_void, report: *const Report) -> c_int {
    // SAFETY: `run` hands in a tape that outlives the run, and engines a report.
    let (tape, report) = unsafe { (&mut *tape.cast::<Tape>(), &*report) };
    tape.reports[tape.count as usize % TAPE] = *report;
    tape.count += 1;
    if report.kind == Report::TRADE {
        tape.trades += 1;
        tape.sum = tape.sum.rotate_left(5) ^ report.maker_order_id ^ u64::from(report.quantity) << 32;
    }
    1
}

unsafe extern "C" fn drain(_: *mut c_void, _: *mut Report, _: u32) -> u32 {
    0
}

unsafe extern "C" fn nothing(_: *mut c_void) {}

static TRANSPORT: Transport = Transport { create, push, drain, flush: nothing, destroy: nothing };

/// What one run of a stream took.
struct Run {
    ns_per_message: f64,
    /// Of single messages: median, 99 and 99.9 %, when asked for.
    percentiles: Option<[u64; 3]>,
    told: (u64, u64, u64),
}

fn run(library: &Library, stream: &Stream, is_timed_singly: bool) -> Run {
    let mut tape = Tape { reports: vec![Report::default(); TAPE], count: 0, trades: 0, sum: 0 };
    // SAFETY: the transport is static and the tape lives until after the shutdown.
    unsafe { (library.init)(1, &TRANSPORT, (&raw mut tape).cast()) };
    stream.filling.iter().for_each(|message| library.send(message));
    let mut singles = Vec::new();
    let runs: Vec<Tagged> = match library.on_batch {
        Some(_) if !is_timed_singly => stream.measured.iter().map(|message| Tagged::from(*message)).collect(),
        _ => Vec::new(),
    };
    let started = thread_ns();
    if is_timed_singly {
        singles.reserve(stream.measured.len());
        for message in &stream.measured {
            let started = Instant::now();
            library.send(message);
            singles.push(started.elapsed().as_nanos() as u64);
        }
    } else if let Some(on_batch) = library.on_batch {
        // SAFETY: the library was initialised, and the records live through the call.
        runs.chunks(BATCH).for_each(|run| unsafe { on_batch(run.as_ptr(), run.len() as u32) });
    } else {
        stream.measured.iter().for_each(|message| library.send(message));
    }
    let ns_per_message = (thread_ns() - started) / stream.measured.len() as f64;
    // SAFETY: initialised above.
    unsafe { (library.shutdown)() };
    singles.sort_unstable();
    let at = |part: f64| singles[((singles.len() - 1) as f64 * part) as usize];
    let percentiles = is_timed_singly.then(|| [at(0.5), at(0.99), at(0.999)]);
    Run { ns_per_message, percentiles, told: (tape.count, tape.trades, tape.sum) }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let mut libraries = Vec::new();
    let (mut rounds, mut seed, mut only) = (5, 23, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|n| n.parse().ok());
        match argument.as_str() {
            "--rounds" => rounds = number().unwrap_or(rounds),
            "--seed" => seed = number().unwrap_or(seed),
            "--only" => only = number(),
            path => libraries.push(Library::open(path)),
        }
    }
    if libraries.is_empty() {
        eprintln!("usage: peers OURS.so PEER.so... [--rounds N] [--seed N] [--only N]");
        exit(2);
    }
    let usual = Shape { resting: 10_000, depth: 400, messages: 1_000_000, is_volatile: false, modifies: 5 };
    let shapes = [
        ("10k resting", usual),
        ("10k, volatile", Shape { is_volatile: true, ..usual }),
        ("10k, 82 % modifies", Shape { modifies: 82, ..usual }),
        ("1M resting", Shape { resting: 1_000_000, depth: 20_000, ..usual }),
    ];
    let mut differs = false;
    for (at, (what, shape)) in (1..).zip(shapes) {
        if only.is_some_and(|only| only != at) {
            continue;
        }
        let stream = draw(seed, &shape);
        let mut figures = vec![Vec::new(); libraries.len()];
        let mut told = vec![(0, 0, 0); libraries.len()];
        for _ in 0..rounds.max(1) {
            for (at, library) in libraries.iter().enumerate() {
                let run = run(library, &stream, false);
                figures[at].push(run.ns_per_message);
                told[at] = run.told;
            }
        }
        let ours: Vec<f64> = figures[0].clone();
        println!("{what}: {} messages, {} reports, {} trades", shape.messages, told[0].0, told[0].1);
        for (at, library) in libraries.iter().enumerate() {
            let ratio = median(ours.iter().zip(&figures[at]).map(|(ours, theirs)| ours / theirs).collect());
            let [p50, p99, p999] = run(library, &stream, true).percentiles.unwrap_or_default();
            println!(
                "  {:<24} {:6.1} ns a message (best {:.1}), ours/this {ratio:.2}; singly p50 {p50} p99 {p99} p99.9 {p999} ns",
                library.name,
                median(figures[at].clone()),
                figures[at].iter().copied().fold(f64::MAX, f64::min),
            );
            if told[at] != told[0] {
                println!("  {} told something else: {:?}", library.name, told[at]);
                differs = true;
            }
        }
    }
    exit(i32::from(differs));
}
