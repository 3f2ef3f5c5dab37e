#include "console/markdown_view.h"

#include <algorithm>
#include <utility>

namespace hearth {
namespace {

/// Whether a line that is not complete may still become a mark of Markdown without text: an
/// underline, a fence, a list marker. Showing it early would make the screen flicker.
bool is_undecided(std::string_view line, bool in_code) {
  const char* const marks = in_code ? " `~" : " \t-=*_+#>`~|:0123456789.)";
  return line.find_first_not_of(marks) == std::string_view::npos;
}

}  // namespace

ViewMode view_mode(bool is_terminal, bool can_redraw, bool wants_plain) {
  if (!is_terminal) return ViewMode::kRaw;
  return can_redraw && !wants_plain ? ViewMode::kRendered : ViewMode::kPlain;
}

void MarkdownView::add(std::string_view piece) {
  if (options_.mode == ViewMode::kRaw) {
    if (!piece.empty()) options_.write(piece);
    return;
  }
  const std::string text = filter_.add(piece);
  if (options_.mode == ViewMode::kPlain) {
    write_plain(text, output_);
  } else {
    size_ = options_.size();
    take_text(text);
    region_.show(live_rows(), size_, output_);
  }
  if (!output_.empty()) options_.write(std::exchange(output_, ""));
}

void MarkdownView::finish() {
  if (options_.mode == ViewMode::kRaw) return;
  const std::string text = filter_.finish();
  if (options_.mode == ViewMode::kPlain) {
    write_plain(text, output_);
    if (plain_line_open_) output_ += '\n';
    plain_line_open_ = false;
  } else {
    size_ = options_.size();
    take_text(text);
    if (!line_.empty()) take_line();
    splitter_.finish();
    write_finished();
    region_.end_row(output_);
    splitter_ = {};
    next_cut_check_ = 0;
    has_rows_ = false;
  }
  if (!output_.empty()) options_.write(std::exchange(output_, ""));
}

void MarkdownView::write_plain(std::string_view text, std::string& output) {
  if (text.empty()) return;
  output += options_.style.apply(options_.base_styles, text);
  plain_line_open_ = text.back() != '\n';
}

/// Goes from word to word: whether a paragraph is cut must not depend on how the text was split.
void MarkdownView::take_text(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find_first_of(" \n");
    if (end == std::string_view::npos) {
      line_ += text;
      return;
    }
    line_ += text.substr(0, end);
    if (text[end] == '\n') {
      take_line();
    } else {
      line_ += ' ';
      if (!splitter_.in_code() && line_.size() > static_cast<size_t>(size_.columns))
        cut_long_line();
    }
    text.remove_prefix(end + 1);
  }
}

void MarkdownView::take_line() {
  splitter_.add_line(std::exchange(line_, ""));
  write_finished();
  if (splitter_.open() == nullptr || splitter_.open()->kind != MarkdownBlock::Kind::kText) return;
  cut_table();
  const size_t cut = cut_paragraph(*splitter_.open());
  if (cut > 0) splitter_.continue_paragraph(splitter_.open()->source.substr(cut));
}

/// A line that is longer than a row has told what block it belongs to, although it is not complete.
void MarkdownView::cut_long_line() {
  const MarkdownBlock* const open = splitter_.open();
  const size_t before = open ? open->source.size() : 0;
  if (before + line_.size() < next_cut_check_) return;
  next_cut_check_ = before + line_.size() + static_cast<size_t>(size_.columns);
  BlockSplitter with_line = splitter_;
  with_line.add_line(line_);
  if (with_line.open() == nullptr || with_line.open()->kind != MarkdownBlock::Kind::kText) return;
  if (!with_line.take_finished().empty()) {
    splitter_.finish();
    write_finished();
  }
  const size_t cut = cut_paragraph(*with_line.open());
  if (cut == 0) return;
  const std::string& source = with_line.open()->source;  // earlier lines, this one, a line feed
  const size_t line_begin = source.size() - 1 - line_.size();
  splitter_.continue_paragraph(
      cut < line_begin ? std::string_view(source).substr(cut, line_begin - cut) : "");
  line_ = source.substr(std::max(cut, line_begin), source.size() - 1 - std::max(cut, line_begin));
}

void MarkdownView::write_finished() {
  const std::vector<MarkdownBlock> finished = splitter_.take_finished();
  if (finished.empty()) return;
  next_cut_check_ = 0;
  std::vector<Row> rows;
  for (const MarkdownBlock& block : finished) {
    const std::vector<Row> more = rows_of(block, !has_rows_ && rows.empty());
    rows.insert(rows.end(), more.begin(), more.end());
  }
  has_rows_ = has_rows_ || !rows.empty();
  region_.commit(rows, size_, output_);
}

/// Writes the first rows of a paragraph, if all of them do not fit. Returns where the Markdown of
/// the others begins, or 0 if nothing was written.
size_t MarkdownView::cut_paragraph(const MarkdownBlock& paragraph) {
  std::vector<Row> rows = rows_of(paragraph, !has_rows_);
  if (!too_tall(rows.size())) return 0;
  // What is kept is half a screen at least, so that this happens seldom.
  size_t cut = rows.size() - static_cast<size_t>(size_.rows) / 2;
  while (cut > 0 && rows[cut].source == kNoSource) --cut;
  if (cut == 0 || rows[cut].source == 0) return 0;
  const size_t source = rows[cut].source;
  rows.resize(cut);
  region_.commit(rows, size_, output_);
  has_rows_ = true;
  next_cut_check_ = 0;
  return source;
}

void MarkdownView::cut_table() {
  const MarkdownBlock* const open = splitter_.open();
  BlockLayout layout = lay_out_block(*open, layout_options());
  if (layout.table_widths.empty() || !too_tall(layout.rows.size())) return;
  region_.commit(rows_of(*open, !has_rows_), size_, output_);
  has_rows_ = true;
  splitter_.continue_table(std::move(layout.table_widths));
}

std::vector<Row> MarkdownView::rows_of(const MarkdownBlock& block, bool is_first) const {
  std::vector<Row> rows = lay_out_block(block, layout_options()).rows;
  if (block.has_gap && !is_first && !rows.empty()) rows.insert(rows.begin(), Row());
  return rows;
}

std::vector<Row> MarkdownView::live_rows() const {
  BlockSplitter splitter = splitter_;
  if (!is_undecided(line_, splitter.in_code())) splitter.add_line(line_);
  splitter.finish();
  std::vector<Row> rows;
  for (const MarkdownBlock& block : splitter.take_finished()) {
    const std::vector<Row> more = rows_of(block, !has_rows_ && rows.empty());
    rows.insert(rows.end(), more.begin(), more.end());
  }
  return rows;
}

}  // namespace hearth
