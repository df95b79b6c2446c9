//! Merkle trees as RFC 9162 (section 2.1) defines them, over SHA-256.
//!
//! Leaves and nodes are hashed with different first bytes, so none can pass for the other.

use super::Digest;
use crate::id::EventId;

/// The node of a leaf: who changes its name or its digest changes the root.
pub fn leaf(id: EventId, digest: &Digest) -> Digest {
    Digest::of(&[&[0], &id.to_bytes(), &digest.0])
}

fn parent(left: &Digest, right: &Digest) -> Digest {
    Digest::of(&[&[1], &left.0, &right.0])
}

/// The largest power of two below `length`.
fn split(length: usize) -> usize {
    length.next_power_of_two() / 2
}

/// The root over `nodes`, which are hashed already; of nothing, the hash of nothing.
pub fn root(nodes: &[Digest]) -> Digest {
    match nodes {
        [] => Digest::of(&[]),
        [node] => *node,
        _ => {
            let (left, right) = nodes.split_at(split(nodes.len()));
            parent(&root(left), &root(right))
        }
    }
}

/// What leads from the node at `index` to the root, nearest first; `None` outside the tree.
pub fn path(nodes: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= nodes.len() {
        return None;
    }
    if nodes.len() == 1 {
        return Some(Vec::new());
    }
    let (left, right) = nodes.split_at(split(nodes.len()));
    let (mut path, sibling) = if index < left.len() {
        (path(left, index)?, root(right))
    } else {
        (path(right, index - left.len())?, root(left))
    };
    path.push(sibling);
    Some(path)
}

/// The root that `node` at `index` of `size` leads to by `path`; `None` where the path has
/// another length than such a tree has.
pub fn climb(node: Digest, index: usize, size: usize, path: &[Digest]) -> Option<Digest> {
    if index >= size {
        return None;
    }
    let (mut at, mut last, mut node) = (index, size - 1, node);
    for sibling in path {
        if last == 0 {
            return None;
        }
        if at % 2 == 1 || at == last {
            node = parent(sibling, &node);
            while at.is_multiple_of(2) && at != 0 {
                at /= 2;
                last /= 2;
            }
        } else {
            node = parent(&node, sibling);
        }
        at /= 2;
        last /= 2;
    }
    (last == 0).then_some(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u128) -> Digest {
        leaf(EventId::from_bytes(number.to_be_bytes()), &Digest([1; 32]))
    }

    fn nodes(count: u32) -> Vec<Digest> {
        (0..count).map(|number| node(u128::from(number))).collect()
    }

    #[test]
    fn every_leaf_of_every_small_tree_leads_to_its_root_and_nowhere_else() {
        for size in 1..70_u32 {
            let nodes = nodes(size);
            let root = root(&nodes);
            for index in 0..nodes.len() {
                let path = path(&nodes, index).unwrap();
                let size = nodes.len();
                assert_eq!(climb(nodes[index], index, size, &path), Some(root));
                let other = node(1_000);
                assert_ne!(climb(other, index, size, &path), Some(root));
                if let Some((_, shorter)) = path.split_last() {
                    assert_ne!(climb(nodes[index], index, size, shorter), Some(root));
                }
                let mut longer = path.clone();
                longer.push(root);
                assert_ne!(climb(nodes[index], index, size, &longer), Some(root));
            }
            assert_eq!(path(&nodes, nodes.len()), None);
        }
    }

    #[test]
    fn pages_of_a_power_of_two_make_the_same_tree_as_all_leaves_at_once() {
        for size in [1, 7, 8, 9, 16, 17, 63, 64, 65] {
            let nodes = nodes(size);
            let pages: Vec<_> = nodes.chunks(8).map(root).collect();
            assert_eq!(root(&pages), root(&nodes), "{size}");
            for index in 0..nodes.len() {
                let mut two = path(nodes.chunks(8).nth(index / 8).unwrap(), index % 8).unwrap();
                two.extend(path(&pages, index / 8).unwrap());
                assert_eq!(Some(two), path(&nodes, index), "{index} of {size}");
            }
        }
    }

    #[test]
    fn a_tree_of_nothing_is_the_hash_of_nothing() {
        assert_eq!(
            root(&[]).to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
