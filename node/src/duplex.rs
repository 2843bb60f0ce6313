//! Conversations in messages, whatever carries them: a WebSocket or a stream of a session.
