//! The windows on a test's screen, as a window manager sees them, and the user's hand on the mouse.

use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ClientMessageEvent, ConnectionExt as _,
    EventMask, ImageFormat, MOTION_NOTIFY_EVENT, MapState, Window,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use crate::desktop::until;

/// The left button of the mouse.
const LEFT: u8 = 1;

pub struct Screen {
    x: RustConnection,
    root: Window,
}

/// A part of a window, in pixels from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    pub x: i16,
    pub y: i16,
    pub width: u16,
    pub height: u16,
}

impl Screen {
    pub fn open(display: &str) -> Self {
        let (x, number) = x11rb::connect(Some(display)).expect("the screen answers");
        let root = x.setup().roots[number].root;
        Self { x, root }
    }

    /// The mapped windows of that title.
    pub fn windows(&self, title: &str) -> Vec<Window> {
        let Ok(Ok(tree)) = self.x.query_tree(self.root).map(|asked| asked.reply()) else { return Vec::new() };
        tree.children
            .into_iter()
            .filter(|window| self.is_shown(*window) && self.title(*window) == title)
            .collect()
    }

    pub fn wait_for(&self, title: &str) -> Window {
        until(&format!("a window titled {title} is shown"), || !self.windows(title).is_empty());
        self.windows(title)[0]
    }

    pub fn wait_for_none(&self, title: &str) {
        until(&format!("no window titled {title} is shown"), || self.windows(title).is_empty());
    }

    /// What a window manager does when the user clicks the cross.
    pub fn click_the_cross(&self, window: Window) {
        let [protocols, delete] = ["WM_PROTOCOLS", "WM_DELETE_WINDOW"].map(|name| self.atom(name));
        let message = ClientMessageEvent::new(32, window, protocols, [delete, 0, 0, 0, 0]);
        self.x.send_event(false, window, EventMask::NO_EVENT, message).expect("the message is sent");
        self.x.flush().expect("the message is sent");
    }

    /// How many colours the window has on the screen: one that draws nothing has one.
    pub fn colours(&self, window: Window) -> usize {
        let Ok(Ok(size)) = self.x.get_geometry(window).map(|asked| asked.reply()) else { return 0 };
        let pixels = self.pixels(window, Area { x: 0, y: 0, width: size.width, height: size.height });
        let mut colours: Vec<&[u8]> = pixels.chunks_exact(4).map(|pixel| &pixel[..3]).collect();
        colours.sort_unstable();
        colours.dedup();
        colours.len()
    }

    /// What is on the screen in that part of the window; nothing where the window does not reach so far.
    pub fn pixels(&self, window: Window, area: Area) -> Vec<u8> {
        let Area { x, y, width, height } = area;
        let image = self.x.get_image(ImageFormat::Z_PIXMAP, window, x, y, width, height, u32::MAX);
        image
            .map(|asked| asked.reply())
            .map_or_else(|_| Vec::new(), |image| image.map_or(Vec::new(), |i| i.data))
    }

    /// Moves the pointer to the middle of that part of the window.
    pub fn point_at(&self, window: Window, area: Area) {
        let place = self.x.translate_coordinates(window, self.root, area.x, area.y);
        let place = place.expect("the screen answers").reply().expect("the screen answers");
        let middle = |from: i16, size: u16| from.saturating_add_unsigned(size / 2);
        let (x, y) = (middle(place.dst_x, area.width), middle(place.dst_y, area.height));
        self.hand(MOTION_NOTIFY_EVENT, 0, x, y);
    }

    /// Presses the left button where the pointer is.
    pub fn press(&self) {
        self.hand(BUTTON_PRESS_EVENT, LEFT, 0, 0);
    }

    pub fn release(&self) {
        self.hand(BUTTON_RELEASE_EVENT, LEFT, 0, 0);
    }

    fn hand(&self, what: u8, button: u8, x: i16, y: i16) {
        self.x.xtest_fake_input(what, button, 0, self.root, x, y, 0).expect("the screen takes a hand");
        self.x.flush().expect("the screen takes a hand");
    }

    fn is_shown(&self, window: Window) -> bool {
        let asked = self.x.get_window_attributes(window).map(|asked| asked.reply());
        matches!(asked, Ok(Ok(attributes)) if attributes.map_state == MapState::VIEWABLE)
    }

    fn title(&self, window: Window) -> String {
        let asked = self.x.get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64);
        match asked.map(|asked| asked.reply()) {
            Ok(Ok(name)) => String::from_utf8_lossy(&name.value).into_owned(),
            Ok(Err(_)) | Err(_) => String::new(),
        }
    }

    fn atom(&self, name: &str) -> Atom {
        let asked = self.x.intern_atom(false, name.as_bytes()).expect("the screen answers");
        asked.reply().expect("the screen answers").atom
    }
}
