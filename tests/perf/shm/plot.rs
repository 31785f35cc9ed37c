//! Small pictures in SVG: bars and curves.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 90.0;
const COLOURS: [&str; 4] = ["#1f6feb", "#d1570a", "#2d8a4e", "#8250df"];

/// A bar: its name, its length, and the text beside it.
pub(crate) type Bar = (String, f64, String);

/// Horizontal bars in groups, each group with a title.
pub(crate) fn bars(title: &str, groups: &[(String, Vec<Bar>)]) -> String {
    let lines: usize = groups.iter().map(|(_, bars)| bars.len() + 2).sum();
    let height = 40.0 + 20.0 * lines as f64;
    let mut svg = open(height, title);
    let mut y = 46.0;
    for (name, bars) in groups {
        text(&mut svg, 10.0, y, "start", "bold", name);
        y += 20.0;
        let most = bars.iter().map(|(_, value, _)| *value).fold(f64::MIN_POSITIVE, f64::max);
        for (index, (bar, value, label)) in bars.iter().enumerate() {
            let width = (WIDTH - LEFT - RIGHT) * value / most;
            let colour = if index == 0 { COLOURS[0] } else { "#8c959f" };
            text(&mut svg, LEFT - 8.0, y, "end", "normal", bar);
            let _ = writeln!(
                svg,
                r#"<rect x="{LEFT}" y="{:.1}" width="{width:.1}" height="14" fill="{colour}"/>"#,
                y - 11.0
            );
            text(&mut svg, LEFT + width + 6.0, y, "start", "normal", label);
            y += 20.0;
        }
        y += 20.0;
    }
    svg.push_str("</svg>\n");
    svg
}

/// Curves over numbers of nodes that double, the value axis from 0.
pub(crate) fn curves(title: &str, unit: &str, curves: &[(&str, Vec<(usize, f64)>)]) -> String {
    let (height, top, bottom) = (360.0, 60.0, 310.0);
    let mut svg = open(height, title);
    let points = || curves.iter().flat_map(|(_, points)| points.iter());
    let most = points().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let last = points().map(|(nodes, _)| *nodes).max().unwrap_or(2).max(4);
    let x = |nodes: usize| {
        70.0 + (WIDTH - 70.0 - RIGHT) * ((nodes as f64).log2() - 1.0) / ((last as f64).log2() - 1.0)
    };
    let y = |value: f64| bottom - (bottom - top) * value / most;
    for quarter in 0..=4 {
        let value = most * f64::from(quarter) / 4.0;
        let _ = writeln!(
            svg,
            r##"<path d="M70 {0:.1}H{1:.1}" stroke="#d0d7de" fill="none"/>"##,
            y(value),
            WIDTH - RIGHT
        );
        text(&mut svg, 62.0, y(value) + 4.0, "end", "normal", &format!("{value:.0}"));
    }
    text(&mut svg, 10.0, top - 14.0, "start", "normal", unit);
    let mut nodes = 2;
    while nodes <= last {
        text(&mut svg, x(nodes), bottom + 20.0, "middle", "normal", &nodes.to_string());
        nodes *= 2;
    }
    text(&mut svg, (70.0 + WIDTH - RIGHT) / 2.0, bottom + 40.0, "middle", "normal", "nodes");
    for (index, (name, points)) in curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let path: Vec<String> =
            points.iter().map(|(nodes, value)| format!("{:.1},{:.1}", x(*nodes), y(*value))).collect();
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" stroke="{colour}" stroke-width="2" fill="none"/>"#,
            path.join(" ")
        );
        let legend = 90.0 + 220.0 * index as f64;
        let _ = writeln!(
            svg,
            r#"<rect x="{legend}" y="{}" width="12" height="12" fill="{colour}"/>"#,
            top - 24.0
        );
        text(&mut svg, legend + 18.0, top - 14.0, "start", "normal", name);
    }
    svg.push_str("</svg>\n");
    svg
}

fn open(height: f64, title: &str) -> String {
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12" fill="#1f2328">
<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>
"##
    );
    text(&mut svg, 10.0, 22.0, "start", "bold", title);
    svg
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, weight: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        svg,
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" font-weight="{weight}">{content}</text>"#
    );
}
