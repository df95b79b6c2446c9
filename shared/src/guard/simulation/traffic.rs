//! Who posts what, and when: attacks, and the visitors of a shop meanwhile.
//!
//! Says nothing of what comes of it.

use jiff::Timestamp;

use crate::entropy::SeededEntropy;
use crate::personal::ClientIp;
use crate::time::plus_seconds;

const DAY: u64 = 86_400;
/// Posts of an attack.
const FLOOD: u64 = 20_000;
/// Sign-ups of the shop's visitors on a day.
const VISITORS: u64 = 2_000;
/// Of them, those who press the button twice.
const TWICE: u64 = 60;
/// People who sign up on the tablet of a stand, and in how many seconds.
const FAIR: (u64, u64) = (120, 8 * 3_600);

/// Whose mailbox a post is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// Somebody whom the attack names.
    Victim(u64),
    /// Somebody who wants the newsletter.
    Visitor(u64),
}

/// A post of a form.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) at: Timestamp,
    pub(super) who: Who,
    pub(super) ip: ClientIp,
    pub(super) email: String,
    pub(super) tenant: usize,
    pub(super) setup: usize,
    pub(super) honeypot: bool,
}

/// An attack, or a day without one.
pub struct Profile {
    /// What it is.
    pub name: &'static str,
    /// Accounts on the platform.
    pub(super) tenants: usize,
    /// The modes of each account's setups.
    pub(super) modes: &'static [&'static str],
    /// The posts of the attack.
    attack: fn(&Dice<'_>) -> Vec<Post>,
    /// Whether a shop's visitors come meanwhile.
    visitors: bool,
    /// Whether it uses up what visitors need.
    pub locks_visitors_out: bool,
    /// Whether its victim reads many addresses in one mailbox that are no variants of Gmail's:
    /// each is an address of its own to the limits.
    pub one_mailbox_has_many_addresses: bool,
}

const ATTACK: Profile = Profile {
    name: "",
    tenants: 1,
    modes: &["double"],
    attack: |_| Vec::new(),
    visitors: true,
    locks_visitors_out: false,
    one_mailbox_has_many_addresses: false,
};

/// All of them.
pub const ALL: &[Profile] = &[
    Profile {
        name: "one bot, one address",
        attack: |dice| dice.flood(DAY, |_, _| (v4(1), VICTIM.to_owned())),
        ..ATTACK
    },
    Profile {
        name: "many clients, one address",
        attack: |dice| dice.flood(DAY, |_, random| (v4(random % 5_000), VICTIM.to_owned())),
        ..ATTACK
    },
    Profile {
        name: "dots and plus signs of one Gmail mailbox",
        attack: |dice| dice.flood(DAY, |number, random| (v4(number), gmail(random))),
        ..ATTACK
    },
    Profile {
        name: "plus signs of one mailbox elsewhere",
        attack: |dice| {
            dice.flood(DAY, |number, _| {
                (v4(number), format!("victim+{number}@posteo.example"))
            })
        },
        one_mailbox_has_many_addresses: true,
        ..ATTACK
    },
    Profile {
        name: "one IPv6 network, an address per post",
        attack: |dice| dice.each_another(DAY, |number| v6(0, number)),
        ..ATTACK
    },
    Profile {
        name: "IPv6, a network (/64) per post",
        attack: |dice| dice.each_another(DAY, |number| v6(number, number)),
        ..ATTACK
    },
    Profile {
        name: "botnet, an address each, over a day",
        attack: |dice| dice.each_another(DAY, v4),
        ..ATTACK
    },
    Profile {
        name: "botnet, an address each, within two hours",
        attack: |dice| {
            let mut posts = dice.each_another(2 * 3_600, v4);
            for post in &mut posts {
                post.at = plus_seconds(post.at, 10 * 3_600);
            }
            posts
        },
        locks_visitors_out: true,
        ..ATTACK
    },
    Profile {
        name: "one victim at 20 accounts, every mode",
        tenants: 20,
        modes: &["double", "confirmed", "single"],
        attack: |dice| {
            let mut posts = dice.flood(DAY, |number, _| (v4(number), VICTIM.to_owned()));
            for post in &mut posts {
                post.tenant = dice.one_of(20);
                post.setup = dice.one_of(3);
            }
            posts
        },
        ..ATTACK
    },
    Profile {
        name: "bots that fill in the honeypot",
        attack: |dice| {
            let mut posts = dice.each_another(DAY, v4);
            for post in &mut posts {
                post.honeypot = true;
            }
            posts
        },
        ..ATTACK
    },
    Profile {
        name: "a shop's ordinary day",
        ..ATTACK
    },
    Profile {
        name: "a tablet at a fair, one address",
        attack: |dice| {
            let (people, seconds) = FAIR;
            let visit = |number| dice.visit(number, 10 * 3_600 + dice.below(seconds), v4(9));
            (0..people).map(|number| visit(VISITORS + number)).collect()
        },
        locks_visitors_out: true,
        ..ATTACK
    },
];

const VICTIM: &str = "victim@mailbox.example";

impl Profile {
    pub(super) fn posts(&self, random: &SeededEntropy) -> Vec<Post> {
        let dice = Dice(random);
        let mut posts = (self.attack)(&dice);
        if self.visitors {
            posts.extend(dice.visitors());
        }
        posts
    }
}

/// Where chance comes from.
struct Dice<'a>(&'a SeededEntropy);

impl Dice<'_> {
    fn below(&self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    fn one_of(&self, end: u64) -> usize {
        usize::try_from(self.below(end)).unwrap_or_default()
    }

    /// Posts about one victim, spread over so many seconds; client and address by number and chance.
    fn flood(&self, seconds: u64, of: fn(u64, u64) -> (ClientIp, String)) -> Vec<Post> {
        let posts = (0..FLOOD).map(|number| {
            let (ip, email) = of(number, self.0.next_u64());
            post(Who::Victim(0), number * seconds / FLOOD, ip, email)
        });
        posts.collect()
    }

    /// Posts about a victim each, one client each.
    fn each_another(&self, seconds: u64, client: fn(u64) -> ClientIp) -> Vec<Post> {
        let posts = (0..FLOOD).map(|number| {
            let email = format!("victim{number}@mailbox{}.example", self.below(50));
            let at = self.below(seconds);
            post(Who::Victim(number), at, client(number), email)
        });
        posts.collect()
    }

    fn visit(&self, number: u64, at: u64, ip: ClientIp) -> Post {
        let email = format!("visitor{number}@home{}.example", self.below(50));
        post(Who::Visitor(number), at, ip, email)
    }

    /// A shop's day: between seven and eleven in the evening, from clients of their own; some press
    /// the button twice.
    fn visitors(&self) -> Vec<Post> {
        let mut posts: Vec<Post> = (0..VISITORS)
            .map(|number| {
                self.visit(
                    number,
                    7 * 3_600 + self.below(16 * 3_600),
                    v4(1 << 20 | number),
                )
            })
            .collect();
        for number in 0..TWICE {
            let again = posts[usize::try_from(number * 31).unwrap_or_default()].clone();
            let at = plus_seconds(again.at, i64::try_from(self.below(20)).unwrap_or_default());
            posts.push(Post { at, ..again });
        }
        posts
    }
}

fn post(who: Who, second: u64, ip: ClientIp, email: String) -> Post {
    // 2027-03-01T00:00:00Z
    let start = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(1_803_859_200);
    Post {
        at: plus_seconds(start, i64::try_from(second).unwrap_or_default()),
        who,
        ip,
        email,
        tenant: 0,
        setup: 0,
        honeypot: false,
    }
}

fn v4(number: u64) -> ClientIp {
    let [.., a, b, c] = number.to_be_bytes();
    ip(&format!("10.{a}.{b}.{c}"))
}

/// An address in one of the networks of `2001:db8::/32`.
fn v6(network: u64, host: u64) -> ClientIp {
    ip(&format!(
        "2001:db8:{:x}:{:x}::{host:x}",
        network >> 16,
        network & 0xffff
    ))
}

#[expect(clippy::expect_used, reason = "written here, and well-formed")]
fn ip(text: &str) -> ClientIp {
    ClientIp::parse(text).expect("an address")
}

/// One mailbox, spelled in one of many ways (M-22).
fn gmail(random: u64) -> String {
    let mut spelled = String::new();
    for (at, letter) in "lieselotte".chars().enumerate() {
        if at > 0 && random >> at & 1 == 1 {
            spelled.push('.');
        }
        spelled.push(letter);
    }
    let host = if random >> 20 & 1 == 1 {
        "gmail.com"
    } else {
        "googlemail.com"
    };
    format!("{spelled}+{}@{host}", random >> 40 & 0xff)
}
