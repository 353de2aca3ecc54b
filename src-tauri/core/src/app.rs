//! The only place that knows every part: builds them, starts them and stops them in order.
