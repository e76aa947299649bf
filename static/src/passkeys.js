/* Passkeys: a form with data-passkey asks the browser before it is sent. Shown only where the browser can. */
"use strict";

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const { passkey, kind } = form.dataset;
  const read = { create: "parseCreationOptionsFromJSON", get: "parseRequestOptionsFromJSON" }[kind];
  const told = form.querySelector("[data-passkey-failed]");
  if (!window.PublicKeyCredential?.[read]) continue;
  form.hidden = false;
  document.querySelectorAll("[data-passkey-missing]").forEach((note) => { note.hidden = true; });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!form.reportValidity()) return;
    told.hidden = true;
    try {
      const publicKey = PublicKeyCredential[read](JSON.parse(passkey));
      const answer = await navigator.credentials[kind]({ publicKey });
      form.elements.answer.value = JSON.stringify(answer.toJSON());
      form.submit();
    } catch {
      told.hidden = false;
    }
  });
}
