//! Link state acknowledgment packets (RFC 2328 section A.3.6): a list of headers, the same that a
//! database description ends with.

use super::LSA_HEADER_LEN;
use super::error::DecodeError;
use super::lsa::LsaHeader;
use super::reader::Reader;
use super::writer::Writer;

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Vec<LsaHeader>, DecodeError> {
    let mut headers = Vec::with_capacity(reader.remaining() / LSA_HEADER_LEN);
    while reader.remaining() >= LSA_HEADER_LEN {
        headers.push(LsaHeader::read(reader)?);
    }
    Ok(headers)
}

pub(super) fn write(headers: &[LsaHeader], writer: &mut Writer) {
    for header in headers {
        header.write(writer);
    }
}
