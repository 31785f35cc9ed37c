//! Server-sent events (WHATWG HTML, section 9.2.6), as far as a node sends them.

use std::io::{self, BufRead, BufReader, Read};

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Its id, to go on after.
    pub id: String,
    /// What it carries; empty: only the id, where the stream begins.
    pub data: String,
}

/// Messages as they come.
pub struct EventStream {
    lines: BufReader<Box<dyn Read + Send>>,
}

impl EventStream {
    pub(super) fn new(body: Box<dyn Read + Send>) -> Self {
        Self { lines: BufReader::new(body) }
    }

    /// The next message; `None`: the node has ended the stream.
    ///
    /// # Errors
    /// The connection broke, or what comes is longer than an event.
    pub fn message(&mut self) -> io::Result<Option<Message>> {
        let mut message = Message::default();
        loop {
            let mut line = String::new();
            if (&mut self.lines).take(LONGEST_LINE).read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let Some(line) = line.strip_suffix('\n') else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line that is no event's"));
            };
            let line = line.strip_suffix('\r').unwrap_or(line);
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => message.id = value.to_owned(),
                "data" => message.data.push_str(value),
                "" if line.is_empty() && message != Message::default() => return Ok(Some(message)),
                // A comment, or the type, which the data has too.
                _ => {}
            }
        }
    }
}

/// Octets of the longest line: an event with all its members.
const LONGEST_LINE: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(text: &'static str) -> EventStream {
        EventStream::new(Box::new(text.as_bytes()))
    }

    #[test]
    fn messages_are_told_from_comments() {
        let mut stream =
            stream(":\n\n: keep-alive\n\nid: 7.1\nevent: gap\ndata: {\"a\":1}\n\r\nid:8\r\ndata:x\r\n\r\n");
        let message = |id: &str, data: &str| Message { id: id.to_owned(), data: data.to_owned() };
        assert_eq!(stream.message().unwrap(), Some(message("7.1", "{\"a\":1}")));
        assert_eq!(stream.message().unwrap(), Some(message("8", "x")));
        assert_eq!(stream.message().unwrap(), None);
    }

    #[test]
    fn half_a_message_is_none() {
        assert_eq!(stream("data: x\n").message().unwrap(), None);
        assert!(stream("data: x").message().is_err());
    }
}
