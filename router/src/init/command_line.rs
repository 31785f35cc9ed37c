//! The kernel's command line, as the kernel itself takes it apart: words between spaces, a value after the first `=`,
//! double quotes around what contains spaces.

/// A kernel's command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    parameters: Vec<(String, Option<String>)>,
}

impl CommandLine {
    /// That of the kernel that runs; empty where there is no `/proc`.
    pub fn of_kernel() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/cmdline").unwrap_or_default())
    }

    /// Takes a command line apart.
    pub fn parse(text: &str) -> Self {
        Self { parameters: words(text).iter().map(|word| parameter(word)).collect() }
    }

    /// The value of a parameter; of the last one, if it occurs several times. Hyphens and underscores are the same, as
    /// they are to the kernel.
    pub fn value(&self, name: &str) -> Option<&str> {
        let same = |other: &str| other.replace('_', "-") == name.replace('_', "-");
        let found = self.parameters.iter().rev().find(|(other, _)| same(other))?;
        found.1.as_deref()
    }
}

/// Words, with their quotes.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quoted) = (String::new(), false);
    for letter in text.trim_end_matches(['\n', '\0']).chars() {
        match letter {
            ' ' | '\t' | '\n' if !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            '"' => quoted = !quoted,
            _ => {}
        }
        word.push(letter);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The quotes may be around the value or, as the kernel shows what a boot loader has quoted, around all of it.
fn parameter(word: &str) -> (String, Option<String>) {
    let inner = word.strip_prefix('"').map_or(word, |inner| inner.strip_suffix('"').unwrap_or(inner));
    match inner.split_once('=') {
        None => (inner.to_owned(), None),
        Some((name, value)) => {
            let bare = value.strip_prefix('"').map_or(value, |bare| bare.strip_suffix('"').unwrap_or(bare));
            (name.to_owned(), Some(bare.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_name_and_the_last_one_counts() {
        let line = CommandLine::parse("console=ttyS0,115200 quiet isthmus.hostname=a isthmus.hostname=b\n");
        assert_eq!(line.value("console"), Some("ttyS0,115200"));
        assert_eq!(line.value("isthmus.hostname"), Some("b"));
        assert_eq!(line.value("quiet"), None);
        assert_eq!(line.value("isthmus.yaml"), None);
    }

    #[test]
    fn quotes_keep_spaces_wherever_they_stand() {
        let yaml = "{node-id: 1, segment: /dev/shm/isthmus}";
        for text in [format!("a isthmus.yaml=\"{yaml}\" b"), format!("a \"isthmus.yaml={yaml}\" b")] {
            let line = CommandLine::parse(&text);
            assert_eq!(line.value("isthmus.yaml"), Some(yaml), "{text}");
            assert_eq!(line.parameters.len(), 3);
        }
    }

    #[test]
    fn padding_of_base64_belongs_to_the_value() {
        assert_eq!(CommandLine::parse("isthmus.config=YQ==").value("isthmus.config"), Some("YQ=="));
    }

    #[test]
    fn hyphens_and_underscores_are_the_same() {
        assert_eq!(CommandLine::parse("isthmus.a_b=1").value("isthmus.a-b"), Some("1"));
    }

    #[test]
    fn nonsense_is_taken_as_it_comes() {
        for text in ["", "\"", "=", "\"=\"", "a=\"b", "  =  \"\" "] {
            let _ = CommandLine::parse(text).value("a");
        }
    }
}
