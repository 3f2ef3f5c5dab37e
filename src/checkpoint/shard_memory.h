// The bytes of a shard, wherever they are: in a mapping of the file, or read into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "os/mapped_file.h"
#include "os/memory_block.h"

namespace hearth {

class ShardMemory {
 public:
  ShardMemory() = default;
  explicit ShardMemory(MappedFile mapping) : mapping_(std::move(mapping)) {}

  /// The whole file while it is mapped; empty afterwards.
  std::span<const std::byte> mapping() const { return mapping_.bytes(); }

  /// Puts memory that holds the file's bytes from `first` on in the mapping's place. Views into the
  /// mapping are void.
  void hold(MemoryBlock block, uint64_t first) {
    block_ = std::move(block);
    first_ = first;
    mapping_ = MappedFile();
  }

  /// Byte `offset` of the file, which must be mapped or held.
  const std::byte* at(uint64_t offset) const {
    return block_.data() ? block_.as<std::byte>() + (offset - first_)
                         : mapping_.bytes().data() + offset;
  }

  size_t resident_bytes() const { return block_.bytes(); }

 private:
  MappedFile mapping_;
  MemoryBlock block_;
  uint64_t first_ = 0;  // of the file, in block_
};

}  // namespace hearth
