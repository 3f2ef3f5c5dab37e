// model.safetensors damaged in its length, its header or its data section.
#include <cstdint>
#include <cstring>

#include "tests/support/malformed.h"
#include "tests/support/temp_folder.h"

namespace hearth::testing {
namespace {

using Fragments = std::vector<std::string>;

constexpr const char* kFile = "model.safetensors";

/// The whole file is this text.
MalformedCase file_case(std::string name, std::string content, Fragments fragments) {
  fragments.push_back(std::string(kFile) + ": header: ");
  return {.name = std::move(name),
          .fragments = std::move(fragments),
          .damage = [content = std::move(content)](const std::filesystem::path& folder) {
            write_file(folder / kFile, content);
          }};
}

/// A file with this header and so many bytes of data.
MalformedCase header_case(std::string name, std::string header, size_t data_bytes,
                          Fragments fragments) {
  fragments.push_back(std::string(kFile) + ": ");
  return {.name = std::move(name),
          .fragments = std::move(fragments),
          .damage = [header = std::move(header), data_bytes](const std::filesystem::path& folder) {
            write_file(folder / kFile, safetensors_file(header, std::string(data_bytes, '\0')));
          }};
}

/// A header with the tensor "t" of these JSON fields.
MalformedCase tensor_case(std::string name, const std::string& fields, size_t data_bytes,
                          Fragments fragments) {
  fragments.push_back("tensor \"t\"");
  return header_case(std::move(name), R"({"t":{)" + fields + "}}", data_bytes,
                     std::move(fragments));
}

/// A header with two F32 tensors [2] at these offsets.
MalformedCase pair_case(std::string name, const std::string& first, const std::string& second,
                        size_t data_bytes, Fragments fragments) {
  const auto tensor = [](const char* tensor_name, const std::string& offsets) {
    return std::string("\"") + tensor_name + R"(":{"dtype":"F32","shape":[2],"data_offsets":)" +
           offsets + "}";
  };
  std::string header = tensor("t", first).insert(0, 1, '{');
  header.append(",").append(tensor("u", second)).append("}");
  return header_case(std::move(name), std::move(header), data_bytes, std::move(fragments));
}

std::string with_length(uint64_t length, const std::string& rest) {
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file + rest;
}

/// The good file, cut to a part of its length.
MalformedCase cut_case(std::string name, double part, Fragments fragments) {
  fragments.push_back(std::string(kFile) + ": ");
  return {.name = std::move(name),
          .fragments = std::move(fragments),
          .damage = [part](const std::filesystem::path& folder) {
            const std::string file = read_file(folder / kFile);
            const double length = part * static_cast<double>(file.size());
            write_file(folder / kFile, file.substr(0, static_cast<size_t>(length)));
          }};
}

std::vector<MalformedCase> length_cases() {
  const std::string pointer =
      "version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 4998663744\n";
  return {
      file_case("empty_file", "", {"8 bytes of header length", "0 bytes"}),
      file_case("seven_bytes", "1234567", {"8 bytes of header length", "7 bytes"}),
      file_case("only_a_length", with_length(16, ""), {"16 bytes of header", "0 bytes"}),
      file_case("length_zero", with_length(0, "{}"), {"starts with {", "nothing"}),
      file_case("length_past_the_file", with_length(3, "{}"), {"3 bytes of header", "2 bytes"}),
      file_case("length_past_the_limit", with_length(100'000'001, "{}"),
                {"at most 100000000 bytes", "100000001"}),
      file_case("length_wraps_around", with_length(UINT64_MAX, "{}"), {"18446744073709551615"}),
      file_case("length_negative_as_signed", with_length(uint64_t{1} << 63, "{}"),
                {"9223372036854775808"}),
      file_case("git_lfs_pointer", pointer, {"Git LFS pointer", "git lfs pull"}),
      file_case("web_page", "<!DOCTYPE html><html>Not Found</html>", {"not a safetensors file"}),
      file_case("zip_archive", std::string("PK\x03\x04", 4) + std::string(60, '\1'),
                {"not a safetensors file"}),
      cut_case("cut_in_the_length", 0.0, {"header"}),
      cut_case("cut_in_the_header", 0.05, {"header", "download"}),
      cut_case("cut_in_the_data", 0.75, {"data_offsets", "bytes of data in the file", "download"}),
      cut_case("last_byte_missing", 0.999999, {"data_offsets", "download"}),
  };
}

std::vector<MalformedCase> syntax_cases() {
  const std::string good = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  return {
      header_case("header_starts_with_a_space", " {}", 0, {"starts with {", "\" \""}),
      header_case("header_is_a_list", "[]", 0, {"starts with {"}),
      header_case("header_has_a_byte_order_mark", "\xEF\xBB\xBF{}", 0, {"starts with {"}),
      header_case("header_ends_early", R"({"t":{)" + good, 8, {"header, byte", "valid JSON"}),
      header_case("header_continues", R"({"t":{)" + good + "}} {}", 8, {"valid JSON"}),
      header_case("header_padded_with_zeros", R"({"t":{)" + good + "}}" + std::string(9, '\0'), 8,
                  {"valid JSON"}),
      header_case("header_not_utf8", "{\"t\xFF\":{" + good + "}}", 8, {"valid JSON in UTF-8"}),
      header_case("header_half_a_surrogate", R"({"t\ud800":{)" + good + "}}", 8, {"valid JSON"}),
      header_case("header_raw_newline_in_name", "{\"t\n\":{" + good + "}}", 8, {"valid JSON"}),
      header_case("header_with_comment", "{/**/}", 0, {"valid JSON"}),
      header_case("header_single_quotes", "{'t':{}}", 0, {"valid JSON"}),
      header_case("header_infinity", R"({"t":{"shape":[Infinity]}})", 0, {"valid JSON"}),
      header_case("header_deeply_nested", R"({"t":)" + std::string(100'000, '['), 0,
                  {"tensor \"t\"", "a list"}),
      header_case("escape_sequence_in_name", R"({"\u001b[31mt":1})", 0, {"\\x1B[31mt"}),
      header_case("very_long_name", "{\"" + std::string(100'000, 'n') + "\":1}", 0, {"n…\""}),
  };
}

std::vector<MalformedCase> structure_cases() {
  const std::string good = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  return {
      header_case("tensor_is_a_number", R"({"t":1})", 0, {"tensor \"t\"", "an object", "number 1"}),
      header_case("tensor_is_a_string", R"({"t":"F32"})", 0, {"tensor \"t\"", "string \"F32\""}),
      header_case("tensor_is_null", R"({"t":null})", 0, {"tensor \"t\"", "found null"}),
      header_case("tensor_is_a_list", R"({"t":[]})", 0, {"tensor \"t\"", "found a list"}),
      header_case("tensor_without_name", R"({"":{)" + good + "}}", 8, {"a name", "an empty one"}),
      header_case(
          "tensor_twice",
          R"({"t":{)" + good + R"(},"t":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})", 16,
          {"tensor \"t\"", "once", "twice"}),
      header_case("metadata_is_a_list", R"({"__metadata__":[]})", 0, {"__metadata__", "object"}),
      header_case("metadata_holds_a_number", R"({"__metadata__":{"a":1}})", 0,
                  {"__metadata__", "only strings", "number 1"}),
      header_case("metadata_nests", R"({"__metadata__":{"a":{}}})", 0,
                  {"__metadata__", "only strings", "an object"}),
      header_case("metadata_twice", R"({"__metadata__":{},"__metadata__":{}})", 0,
                  {"__metadata__", "two"}),
      tensor_case("dtype_missing", R"("shape":[2],"data_offsets":[0,8])", 8,
                  {", dtype", "nothing"}),
      tensor_case("shape_missing", R"("dtype":"F32","data_offsets":[0,8])", 8,
                  {", shape", "nothing"}),
      tensor_case("offsets_missing", R"("dtype":"F32","shape":[2])", 8,
                  {", data_offsets", "nothing"}),
      tensor_case("field_twice", good + R"(,"dtype":"F32")", 8, {", dtype", "once", "twice"}),
      tensor_case("field_unknown", good + R"(,"strides":[1])", 8,
                  {"only dtype, shape and data_offsets", "\"strides\""}),
      tensor_case("dtype_number", R"("dtype":32)", 0, {", dtype", "a string", "number 32"}),
      tensor_case("dtype_unknown", R"("dtype":"F4")", 0, {", dtype", "\"F4\""}),
      tensor_case("dtype_lower_case", R"("dtype":"bf16")", 0, {", dtype", "\"bf16\""}),
  };
}

std::vector<MalformedCase> header_shape_cases() {
  const auto shape_case = [](std::string name, const std::string& shape, Fragments fragments) {
    return tensor_case(std::move(name), R"("dtype":"F32","data_offsets":[0,8],"shape":)" + shape, 8,
                       std::move(fragments));
  };
  return {
      shape_case("shape_is_a_string", R"("2")", {", shape", "list of non-negative", "\"2\""}),
      shape_case("shape_is_a_number", "2", {", shape", "a list", "number 2"}),
      shape_case("shape_is_null", "null", {", shape", "found null"}),
      shape_case("shape_nests", "[[2]]", {", shape", "non-negative integers", "a list"}),
      shape_case("shape_holds_true", "[true]", {", shape", "found true"}),
      shape_case("dimension_negative", "[-2]", {", shape", "negative number -2"}),
      shape_case("dimension_minus_zero", "[-0]", {", shape", "found -0"}),
      shape_case("dimension_fractional", "[2.0]", {", shape", "number 2.0"}),
      shape_case("dimension_of_64_bits", "[18446744073709551616]", {", shape", "1844674407370955"}),
      shape_case("dimension_of_63_bits", "[9223372036854775808]", {", shape", "below 2^63"}),
      header_case("dimension_exponent", R"({"t":{"shape":[1e999]}})", 0, {"header, byte", "1e999"}),
      shape_case("shape_of_five", "[1,1,1,1,2]", {", shape", "at most 4 dimensions"}),
      shape_case("product_overflows", "[4294967296,4294967296]",
                 {"more than 2^64 bytes", "found 8"}),
      shape_case("product_overflows_to_the_size", "[2305843009213693954,2]",
                 {"more than 2^64 bytes"}),
      shape_case("size_too_small", "[3]", {"12 bytes for F32 [3]", "found 8"}),
      shape_case("size_too_large", "[1]", {"4 bytes for F32 [1]", "found 8"}),
      shape_case("size_of_nothing", "[0]", {"0 bytes for F32 [0]", "found 8"}),
  };
}

std::vector<MalformedCase> offset_cases() {
  const auto offsets_case = [](std::string name, const std::string& offsets, Fragments fragments) {
    fragments.push_back("data_offsets");
    return tensor_case(std::move(name), R"("dtype":"F32","shape":[2],"data_offsets":)" + offsets, 8,
                       std::move(fragments));
  };
  return {
      offsets_case("offsets_one", "[0]", {"two offsets", "found 1"}),
      offsets_case("offsets_three", "[0,8,16]", {"two non-negative integers", "number 16"}),
      offsets_case("offsets_object", "{}", {"a list of two offsets", "an object"}),
      offsets_case("offset_negative", "[-8,0]", {"negative number -8"}),
      offsets_case("offset_fractional", "[0,8.0]", {"number 8.0"}),
      offsets_case("offset_string", R"([0,"8"])", {"string \"8\""}),
      offsets_case("offsets_reversed", "[8,0]", {"begin ≤ end", "[8, 0]"}),
      offsets_case("offset_past_the_end", "[8,16]", {"within the 8 bytes", "16"}),
      offsets_case("offset_wraps_around", "[18446744073709551608,18446744073709551615]",
                   {"within the 8 bytes", "18446744073709551615"}),
      pair_case("tensors_overlap", "[0,8]", "[4,12]", 12, {"\"u\"", "byte 8", "overlap at byte 4"}),
      pair_case("tensors_share_their_bytes", "[0,8]", "[0,8]", 8, {"an overlap at byte 0"}),
      pair_case("gap_between_tensors", "[0,8]", "[12,20]", 20, {"\"u\"", "a gap at byte 12"}),
      pair_case("gap_before_the_first", "[4,12]", "[12,20]", 20, {"\"t\"", "a gap at byte 4"}),
      pair_case("bytes_after_the_last", "[0,8]", "[8,16]", 24, {"\"u\"", "8 bytes more"}),
      header_case("tensor_misaligned",
                  R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                  R"("t":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
                  6, {"tensor \"t\"", "aligned to the 4 bytes of a F32", "in place"}),
  };
}

}  // namespace

std::vector<MalformedCase> malformed_headers() {
  std::vector<MalformedCase> all;
  for (auto list :
       {length_cases, syntax_cases, structure_cases, header_shape_cases, offset_cases}) {
    for (MalformedCase& item : list()) all.push_back(std::move(item));
  }
  return all;
}

}  // namespace hearth::testing
