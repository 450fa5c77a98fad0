//! What runs products knows none of them: they are data.

use super::files::files_below;

/// Where sources begin that every product shares.
const SHARED: [&str; 6] = ["src/site", "src/product", "src/stack", "src/yaml", "src/task/site", "src/cli/site"];

#[test]
fn the_engine_names_no_product() {
    let sources = files_below("src", &["rs"]);
    let shared = sources.iter().filter(|(path, _)| SHARED.iter().any(|begin| path.starts_with(begin)));
    let named: Vec<String> = shared.flat_map(|(path, text)| names_a_product(path, text)).collect();
    assert!(named.is_empty(), "{}", named.join("\n"));
    for begin in ["src/site", "src/product", "src/stack"] {
        assert!(sources.iter().any(|(path, _)| path.starts_with(begin)), "nothing begins with {begin}");
    }
}

#[test]
fn a_product_that_is_named_is_found() {
    for bad in
        ["// DataFlux's own", "const X: &str = \"dataflux_func\";", "//! Before Func is set up", "\"func/mysql\""]
    {
        assert_eq!(names_a_product("x", bad).len(), 1, "{bad}");
    }
    assert!(names_a_product("x", "fn function(func_of: F) // functions").is_empty());
}

/// The lines that name the first product, or what only it brings along.
fn names_a_product(path: &str, text: &str) -> Vec<String> {
    let names = |word: &str| {
        let word = word.to_lowercase();
        word.contains("dataflux") || ["func", "mysql", "mosquitto"].contains(&word.as_str())
    };
    let lines = text.lines().enumerate();
    let named = lines.filter(|(_, line)| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(names));
    named.map(|(at, line)| format!("{path}:{} names a product: {}", at + 1, line.trim())).collect()
}
