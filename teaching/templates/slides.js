// Text that is too much for its slide is made smaller until it fits.
const fit = ({ currentSlide: slide }) => {
  const body = slide.querySelector(".body");
  for (let scale = 1; scale > 0.5 && slide.scrollHeight > slide.clientHeight; scale -= 0.04) {
    body.style.setProperty("--scale", scale);
  }
};
Reveal.on("ready", fit);
Reveal.on("slidechanged", fit);
Reveal.initialize({
  width: 1280, height: 720, margin: 0, minScale: 0.1, maxScale: 6, center: false, controls: false,
  hash: true, slideNumber: "c/t", transition: "none", navigationMode: "linear", plugins: [RevealNotes],
});
