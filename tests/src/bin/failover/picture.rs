//! The distribution as a picture: one bar a fault, shortest first, with the median and the 99th percentile.

use std::fmt::Write;

use crate::pauses::{Cost, Spread};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 50.0;

/// An SVG of the pauses.
pub fn draw(title: &str, costs: &[Cost], spread: Spread) -> String {
    let mut sorted: Vec<f64> = costs.iter().map(|cost| cost.pause_ms).collect();
    sorted.sort_by(f64::total_cmp);
    let top_ms = (spread.max * 1.1).max(10.0);
    let y = |ms: f64| HEIGHT - BOTTOM - ms / top_ms * (HEIGHT - BOTTOM - TOP);
    let step = (WIDTH - LEFT - 20.0) / sorted.len().max(1) as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">{title}</text>\n"
    );
    for (place, ms) in sorted.iter().enumerate() {
        let (x, at) = (LEFT + place as f64 * step, y(*ms));
        let (width, height) = ((step - 1.0).max(1.0), HEIGHT - BOTTOM - at);
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{at:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"#4878a8\"/>"
        );
    }
    for (name, ms) in [("p50", spread.p50), ("p99", spread.p99), ("max", spread.max)] {
        let (at, right) = (y(ms), WIDTH - 20.0);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#c04030\" stroke-dasharray=\"4 3\"/>\n\
             <text x=\"{LEFT}\" dx=\"4\" y=\"{:.1}\" fill=\"#c04030\">{name} {ms:.0} ms</text>",
            at - 4.0
        );
    }
    let floor = HEIGHT - BOTTOM;
    let _ = writeln!(
        svg,
        "<line x1=\"{LEFT}\" y1=\"{floor}\" x2=\"{}\" y2=\"{floor}\" stroke=\"black\"/>\n\
         <text x=\"{LEFT}\" y=\"{}\">longest time without any answer, per fault, shortest first</text>\n</svg>",
        WIDTH - 20.0,
        HEIGHT - 14.0
    );
    svg
}
