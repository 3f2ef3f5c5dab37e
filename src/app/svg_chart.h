// Small line and bar charts as inline SVG, coloured by the style sheet of the page around them
// (classes c0, c1, … for series; axis, grid and text for the rest).
#pragma once

#include <string>
#include <vector>

namespace hearth {

struct ChartSeries {
  std::string name;
  std::vector<double> values;  // parallel to Chart::marks
};

struct Chart {
  std::string title;
  std::string unit;                // of the values
  std::string axis;                // what the marks are
  std::vector<std::string> marks;  // along x, evenly spaced
  std::vector<ChartSeries> series;
  bool bars = false;  // marks are kinds of things: bars of the first series instead of lines
};

/// Text with what HTML gives a meaning escaped.
std::string html_text(const std::string& text);

/// A <figure>: lines through the marks, or a point where there is one mark, or bars; and a legend.
std::string svg_chart(const Chart& chart);

/// The least of 1, 2, 5, 10, … that is not below the value; 1 for none.
double axis_top(double value);

}  // namespace hearth
