//! The windows on a test's screen, as a window manager sees them.

use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ClientMessageEvent, ConnectionExt as _, EventMask, MapState, Window,
};
use x11rb::rust_connection::RustConnection;

use crate::desktop::until;

pub struct Screen {
    x: RustConnection,
    root: Window,
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
        tree.children.into_iter().filter(|window| self.is_shown(*window) && self.title(*window) == title).collect()
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
        let format = x11rb::protocol::xproto::ImageFormat::Z_PIXMAP;
        let image = self.x.get_image(format, window, 0, 0, size.width, size.height, u32::MAX);
        let Ok(Ok(image)) = image.map(|asked| asked.reply()) else { return 0 };
        let mut colours: Vec<&[u8]> = image.data.chunks_exact(4).map(|pixel| &pixel[..3]).collect();
        colours.sort_unstable();
        colours.dedup();
        colours.len()
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
