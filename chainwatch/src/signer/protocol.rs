//! What goes over the socket: u32 length, little-endian, and so many bytes. A question is u8 kind (1 sign, 2 consult) and a
//! payment; an answer is u8 kind (1 signed, 2 refused for ever, 3 later, 4 willing) and the transaction, or words as u16
//! length and UTF-8, or nothing.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::TransactionBytes;
use wire::codec::{CodecError, Reader, Writer};

use super::payment::Payment;
use super::{Answer, Signed};

/// No question and no answer is longer.
const FRAME_MAX: usize = 8_192;
/// The longest words of a refusal.
const WORDS_MAX: usize = 512;

pub(super) fn write_signed(signed: &Signed, to: &mut Writer<'_>) {
    to.put(&signed.tx);
    to.put::<TransactionBytes>(&signed.bytes);
}

pub(super) fn read_signed(from: &mut Reader<'_>) -> Result<Signed, CodecError> {
    Ok(Signed { tx: from.get()?, bytes: from.get()? })
}

/// What is asked of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Its signature.
    Sign,
    /// Whether the signer would have to wait with one.
    Consult,
}

/// The bytes of a question.
pub fn encode_question(question: Question, payment: &Payment) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut to = Writer::new(&mut bytes);
    to.put(&match question {
        Question::Sign => 1_u8,
        Question::Consult => 2,
    });
    payment.write(&mut to);
    bytes
}

/// The reverse of [`encode_question`].
pub fn decode_question(bytes: &[u8]) -> Result<(Question, Payment), CodecError> {
    let mut from = Reader::new(bytes);
    let question = match from.get::<u8>()? {
        1 => Question::Sign,
        2 => Question::Consult,
        _ => return Err(CodecError::UnknownNumber),
    };
    let payment = Payment::read(&mut from)?;
    from.finish()?;
    Ok((question, payment))
}

/// The bytes of an answer.
pub fn encode_answer(answer: &Answer) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut to = Writer::new(&mut bytes);
    let (kind, words) = match answer {
        Answer::Signed(signed) => {
            to.put(&1_u8);
            write_signed(signed, &mut to);
            return bytes;
        }
        Answer::Refused(words) => (2_u8, words),
        Answer::Later(words) => (3, words),
        Answer::Willing => {
            to.put(&4_u8);
            return bytes;
        }
    };
    to.put(&kind);
    let end = words.char_indices().map(|(at, one)| at + one.len_utf8()).take_while(|end| *end <= WORDS_MAX).last();
    let words = &words[..end.unwrap_or(0)];
    to.put(&(words.len() as u16));
    to.bytes(words.as_bytes());
    bytes
}

/// The reverse of [`encode_answer`].
pub fn decode_answer(bytes: &[u8]) -> Result<Answer, CodecError> {
    let mut from = Reader::new(bytes);
    let kind: u8 = from.get()?;
    if kind == 1 {
        let signed = read_signed(&mut from)?;
        from.finish()?;
        return Ok(Answer::Signed(signed));
    }
    if kind == 4 {
        from.finish()?;
        return Ok(Answer::Willing);
    }
    let len = usize::from(from.get::<u16>()?);
    let words = String::from_utf8(from.bytes(len)?.to_vec()).map_err(|_| CodecError::OutOfRange)?;
    from.finish()?;
    match kind {
        2 => Ok(Answer::Refused(words)),
        3 => Ok(Answer::Later(words)),
        _ => Err(CodecError::UnknownNumber),
    }
}

/// Sends one frame.
pub(super) async fn send<S: AsyncWriteExt + Unpin>(to: &mut S, body: &[u8]) -> io::Result<()> {
    to.write_u32_le(body.len() as u32).await?;
    to.write_all(body).await?;
    to.flush().await
}

/// The next frame; an error when it is longer than any may be.
pub(super) async fn receive<S: AsyncReadExt + Unpin>(from: &mut S) -> io::Result<Vec<u8>> {
    let len = from.read_u32_le().await? as usize;
    if len > FRAME_MAX {
        return Err(io::Error::other("a frame is longer than any may be"));
    }
    let mut body = vec![0; len];
    from.read_exact(&mut body).await?;
    Ok(body)
}
