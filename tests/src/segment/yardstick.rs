//! The programs that the responder is held against: the least that a program at its place can do. They are put together here,
//! instruction by instruction, so that nothing but the kernel is in them.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader,
    programs::{
        LinkOrder, SchedClassifier, TcAttachType,
        tc::{SchedClassifierLinkId, TcAttachOptions},
    },
};

const NAME: &str = "yardstick";

/// Returns at once: `r0 = TCX_NEXT; exit`.
const EMPTY: &[[u8; 8]] = &[
    [0xb7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
    [0x95, 0, 0, 0, 0, 0, 0, 0],
];

/// Sends every ARP frame back as it came, and lets others pass:
/// `r0 = TCX_NEXT; if skb->protocol != htons(ETH_P_ARP) exit; return bpf_redirect(skb->ifindex, 0)`.
const REFLECTOR: &[[u8; 8]] = &[
    [0xb7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
    [0x61, 0x12, 16, 0, 0, 0, 0, 0],
    [0x55, 0x02, 3, 0, 0x08, 0x06, 0, 0],
    [0x61, 0x11, 40, 0, 0, 0, 0, 0],
    [0xb7, 0x02, 0, 0, 0, 0, 0, 0],
    [0x85, 0, 0, 0, 23, 0, 0, 0],
    [0x95, 0, 0, 0, 0, 0, 0, 0],
];

/// A program of the kernel's that does next to nothing.
#[derive(Debug)]
pub struct Yardstick(Ebpf);

impl Yardstick {
    /// The program that returns at once.
    pub fn empty() -> Result<Self> {
        Self::load(EMPTY)
    }

    /// The program that sends ARP frames back as they came: the same way through the kernel as an answer's, without looking.
    pub fn reflector() -> Result<Self> {
        Self::load(REFLECTOR)
    }

    fn load(instructions: &[[u8; 8]]) -> Result<Self> {
        let mut ebpf = EbpfLoader::new()
            .btf(None)
            .load(&object(&instructions.concat()))
            .context("failed to read a yardstick's object")?;
        program_of(&mut ebpf)?
            .load()
            .context("failed to load a yardstick")?;
        Ok(Self(ebpf))
    }

    /// The program, for test runs.
    pub fn program(&mut self) -> Result<&mut SchedClassifier> {
        program_of(&mut self.0)
    }

    /// Puts it on a device, before all others.
    pub fn attach(&mut self, device: &str) -> Result<SchedClassifierLinkId> {
        let options = TcAttachOptions::TcxOrder(LinkOrder::first());
        self.program()?
            .attach_with_options(device, TcAttachType::Ingress, options)
            .with_context(|| format!("failed to attach a yardstick to {device}"))
    }

    /// Takes it off.
    pub fn detach(&mut self, link: SchedClassifierLinkId) -> Result<()> {
        self.program()?
            .detach(link)
            .context("failed to detach a yardstick")
    }
}

fn program_of(ebpf: &mut Ebpf) -> Result<&mut SchedClassifier> {
    let program = ebpf
        .program_mut(NAME)
        .context("failed to find a yardstick's program")?;
    program
        .try_into()
        .context("failed to find a classifier in a yardstick")
}

/// A relocatable ELF object of four sections: none, the code, one symbol for it, and the names of all.
fn object(code: &[u8]) -> Vec<u8> {
    const HEADER: usize = 64;
    const SYMBOLS: usize = 48;
    const NAMES: &[u8] = b"\0classifier\0.symtab\0.strtab\0yardstick\0";
    let (code_at, symbols_at) = (HEADER, HEADER + code.len());
    let names_at = symbols_at + SYMBOLS;
    let sections_at = (names_at + NAMES.len()).next_multiple_of(8);
    let half = |value: u16| value.to_le_bytes();
    let word = |value: u32| value.to_le_bytes();
    let long = |value: usize| (value as u64).to_le_bytes();

    let mut bytes = [&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0][..], &[0; 8]].concat();
    // A relocatable file for BPF, version 1; no entry, no segments.
    bytes.extend(
        [
            &half(1)[..],
            &half(247),
            &word(1),
            &long(0),
            &long(0),
            &long(sections_at),
            &word(0),
        ]
        .concat(),
    );
    bytes.extend([64, 0, 0, 64, 4, 3].map(half).concat());
    bytes.extend(code);
    // No symbol, then a global function that is all of section 1.
    bytes.extend([0; 24]);
    bytes.extend([&word(28)[..], &[0x12, 0], &half(1), &long(0), &long(code.len())].concat());
    bytes.extend(NAMES);
    bytes.resize(sections_at, 0);
    let section = |name: u32,
                   kind: u32,
                   flags: usize,
                   (at, length): (usize, usize),
                   (link, info): (u32, u32),
                   entry: usize| {
        let (head, place) = (
            [word(name), word(kind)].concat(),
            [long(flags), long(0), long(at), long(length)].concat(),
        );
        [
            head,
            place,
            [word(link), word(info)].concat(),
            [long(8), long(entry)].concat(),
        ]
        .concat()
    };
    bytes.extend([0; 64]);
    bytes.extend(section(1, 1, 6, (code_at, code.len()), (0, 0), 0));
    bytes.extend(section(12, 2, 0, (symbols_at, SYMBOLS), (3, 1), 24));
    bytes.extend(section(20, 3, 0, (names_at, NAMES.len()), (0, 0), 0));
    bytes
}
