//! Single lists that were left: which sign-ups may put somebody on them again.
//!
//! Leaving everything is the tombstone's part; this is about who left one list and stays on others.

use crate::id::ListId;
use crate::person::Person;
use crate::setup::Mode;
use crate::sign_up::SignUp;

/// Whether a sign-up may put the person on this list.
///
/// A form that nobody confirms is anybody's: what was left comes back by a completed double opt-in
/// for that list alone (T-11), whose form was sent after the list was left (T-10). At the same
/// instant the withdrawal wins.
pub(crate) fn may_add(person: &Person, sign_up: &SignUp, list: &ListId) -> bool {
    match sign_up.mode {
        Mode::Double => person
            .left_list_at(list)
            .is_none_or(|left| left < sign_up.signed_up_at),
        Mode::Single | Mode::Confirmed => !person.has_left(list),
    }
}

/// Whether a form that nobody confirms asks for nothing but lists that the person left.
pub(super) fn has_left_all(person: &Person, lists: &[ListId]) -> bool {
    !lists.is_empty() && lists.iter().all(|list| person.has_left(list))
}

/// Whether all that a link was for was left since its form was sent.
pub(super) fn adds_nothing(person: &Person, sign_up: &SignUp) -> bool {
    let mut lists = sign_up.lists.iter();
    !sign_up.lists.is_empty() && lists.all(|list| !may_add(person, sign_up, &list.id))
}

/// A sign-up as the page of its link shows it: without the lists that were left since the form was
/// sent, which pressing the button does not bring back.
#[must_use]
pub fn as_shown(person: &Person, sign_up: &SignUp) -> SignUp {
    let mut shown = sign_up.clone();
    if !adds_nothing(person, sign_up) {
        shown
            .lists
            .retain(|list| may_add(person, sign_up, &list.id));
    }
    shown
}
