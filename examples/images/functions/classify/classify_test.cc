#include <algorithm>
#include <array>

#include <gtest/gtest.h>

#include "classify/prepare.h"
#include "classify/sentence.h"
#include "image/test_pictures.h"

namespace classify {
namespace {

using image::File;

constexpr float kTolerance = 1e-4F;

File one_colour(std::uint32_t width, std::uint32_t height, std::array<std::uint8_t, 3> colour) {
  File rgb;
  for (std::size_t i = 0; i < std::size_t{width} * height; ++i) {
    rgb.insert(rgb.end(), colour.begin(), colour.end());
  }
  return rgb;
}

File png(std::uint32_t width, std::uint32_t height, const File& rgb) {
  return image::png_file({.width = width, .height = height, .colour_type = 2}, rgb);
}

TEST(Prepare, ScalesAnySizeToTheModelsAndNormalises) {
  for (const auto& [width, height] :
       {std::pair{1U, 1U}, {2U, 300U}, {224U, 224U}, {256U, 256U}, {255U, 1000U}, {700U, 300U}}) {
    const auto tensor = prepare(png(width, height, one_colour(width, height, {127, 255, 0})));
    ASSERT_TRUE(tensor) << tensor.refusal().words;
    ASSERT_EQ(tensor->size(), kSide * kSide * kChannels);
    for (std::size_t i = 0; i < tensor->size(); i += kChannels) {
      ASSERT_NEAR((*tensor)[i], 0, kTolerance) << width << " x " << height;
      ASSERT_NEAR((*tensor)[i + 1], 1, kTolerance);
      ASSERT_NEAR((*tensor)[i + 2], -127.F / 128, kTolerance);
    }
  }
}

TEST(Prepare, TakesTheMiddle) {
  // 256 x 512: the square of 224 begins 16 from the left and 144 from the top, and is not scaled.
  File rgb = image::noise(std::size_t{256} * 512 * 3);
  const auto tensor = prepare(png(256, 512, rgb));
  ASSERT_TRUE(tensor);
  for (const auto& [x, y] : {std::pair{0U, 0U}, {223U, 0U}, {0U, 223U}, {100U, 57U}}) {
    for (std::size_t channel = 0; channel < kChannels; ++channel) {
      const float expected = (static_cast<float>(rgb[((((y + 144) * 256) + x + 16) * 3) + channel]) - 127) / 128;
      EXPECT_NEAR((*tensor)[(((y * kSide) + x) * kChannels) + channel], expected, kTolerance);
    }
  }
}

TEST(Prepare, AveragesWhatAPixelCovers) {
  // Columns of black and white, one pixel wide: scaled to a quarter they are gray.
  File rgb;
  for (std::size_t i = 0; i < std::size_t{1024} * 1024; ++i) {
    rgb.insert(rgb.end(), 3, i % 2 == 0 ? 0 : 255);
  }
  const auto tensor = prepare(png(1024, 1024, rgb));
  ASSERT_TRUE(tensor);
  const auto [lowest, highest] = std::minmax_element(tensor->begin(), tensor->end());
  EXPECT_NEAR(*lowest, 0, 0.1);  // the edges have a column less on one side
  EXPECT_NEAR(*highest, 0, 0.1);
}

TEST(Prepare, MakesGrayRgbAndTakesTheHighByteOfSixteenBits) {
  const auto gray = prepare(image::png_file({.width = 2, .height = 2, .colour_type = 0}, File(4, 191)));
  ASSERT_TRUE(gray);
  EXPECT_NEAR(gray->at(2), 0.5, kTolerance);
  const auto deep =
      prepare(image::png_file({.width = 1, .height = 1, .bits = 16, .colour_type = 2}, {191, 0, 63, 255, 255, 9}));
  ASSERT_TRUE(deep);
  EXPECT_NEAR(deep->at(0), 0.5, kTolerance);
  EXPECT_NEAR(deep->at(1), -0.5, kTolerance);
  EXPECT_NEAR(deep->at(2), 1, kTolerance);
}

TEST(Prepare, TurnsAPhotographUpright) {
  File stored(std::size_t{256} * 256);
  std::fill(stored.begin() + (256 * 128), stored.end(), 255);  // black on top
  const auto tensor = prepare(image::with_orientation(image::jpeg_file(256, 256, 1, stored, 95), 6));
  ASSERT_TRUE(tensor);
  EXPECT_NEAR(tensor->at(0), 1, 0.05);                                   // left
  EXPECT_NEAR(tensor->at((kSide - 1) * kChannels), -127.0 / 128, 0.05);  // right
}

TEST(Prepare, RefusesWhatIsNoPicture) {
  EXPECT_FALSE(prepare(File{1, 2, 3}));
  const File jpeg = image::jpeg_file(20, 20, 3, image::noise(1200), 90);
  EXPECT_FALSE(prepare(image::Bytes(jpeg).first(jpeg.size() - 1)));
}

constexpr const char* kNone = "It does not appears to be any food item in the picture.";

TEST(Sentence, SaysHowSureItIs) {
  const Label bagel = {.name = "bagel", .food = true};
  const std::string rest = " a <a href='https://www.google.com/search?q=bagel'>bagel</a> in the picture";
  EXPECT_EQ(sentence(bagel, 1), "It is very likely" + rest);
  EXPECT_EQ(sentence(bagel, 200.01F / 255), "It is very likely" + rest);
  EXPECT_EQ(sentence(bagel, 199.99F / 255), "It is likely" + rest);
  EXPECT_EQ(sentence(bagel, 125.01F / 255), "It is likely" + rest);
  EXPECT_EQ(sentence(bagel, 124.99F / 255), "It could be" + rest);
  EXPECT_EQ(sentence(bagel, 50.01F / 255), "It could be" + rest);
  EXPECT_EQ(sentence(bagel, 49.99F / 255), kNone);
  EXPECT_EQ(sentence(bagel, std::numeric_limits<float>::quiet_NaN()), kNone);
}

TEST(Sentence, SaysThatThereIsNoFood) {
  EXPECT_EQ(sentence({.name = "moped", .food = false}, 1), kNone);
}

TEST(Sentence, EscapesTheLabel) {
  EXPECT_EQ(sentence({.name = "<b>Joe's & \"Co\"", .food = true}, 1),
            "It is very likely a <a href='https://www.google.com/search?q=%3Cb%3EJoe%27s%20%26%20%22Co%22'>"
            "&lt;b&gt;Joe&#39;s &amp; &quot;Co&quot;</a> in the picture");
}

TEST(Sentence, IsAboutTheMostProbableLabel) {
  std::array<float, kLabels> probabilities = {};
  probabilities[967] = 0.9F;
  probabilities[285] = 0.1F;
  EXPECT_EQ(sentence(probabilities),
            "It is very likely a <a href='https://www.google.com/search?q=espresso'>espresso</a> in the picture");
  probabilities[285] = 0.95F;
  EXPECT_EQ(sentence(probabilities), kNone);
}

TEST(Labels, AreThoseOfImageNet) {
  EXPECT_EQ(labels()[0].name, "tench");
  EXPECT_EQ(labels()[285].name, "Egyptian cat");
  EXPECT_EQ(labels()[999].name, "toilet tissue");
  EXPECT_TRUE(labels()[963].food);
  EXPECT_EQ(labels()[963].name, "pizza");
  EXPECT_FALSE(labels()[958].food) << "hay";
  EXPECT_EQ(std::count_if(labels().begin(), labels().end(), [](const Label& label) { return label.food; }), 47);
}

}  // namespace
}  // namespace classify
