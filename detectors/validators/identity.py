"""Validators of personal and company numbers by name. The checksums are python-stdnum's where it has them."""

from __future__ import annotations

from collections.abc import Mapping

from stdnum.ar import cbu, cuit
from stdnum.at import tin as at_tin
from stdnum.at import vnr
from stdnum.au import abn, acn
from stdnum.be import nn
from stdnum.bg import egn
from stdnum.bg import vat as bg_vat
from stdnum.br import cnpj, cpf
from stdnum.by import unp
from stdnum.ca import bn, sin
from stdnum.ch import ssn as ch_ssn
from stdnum.ch import uid as ch_uid
from stdnum.cl import rut
from stdnum.cn import ric, uscc
from stdnum.co import nit
from stdnum.cy import vat as cy_vat
from stdnum.cz import dic as cz_dic
from stdnum.cz import rc
from stdnum.de import idnr, stnr
from stdnum.dk import cpr, cvr
from stdnum.do import cedula, rnc
from stdnum.ec import ci
from stdnum.ec import ruc as ec_ruc
from stdnum.ee import ik
from stdnum.eg import tn as eg_tn
from stdnum.es import ccc, cif, dni, nie
from stdnum.eu import vat
from stdnum.fi import ytunnus
from stdnum.fr import nif, nir, siren, siret
from stdnum.gb import nhs
from stdnum.gb import vat as uk_vat
from stdnum.gr import amka
from stdnum.gr import vat as gr_vat
from stdnum.gt import nit as gt_nit
from stdnum.hr import oib
from stdnum.hu import anum
from stdnum.id import nik, npwp
from stdnum.ie import pps
from stdnum.il import idnr as il_idnr
from stdnum.in_ import epic, gstin, pan
from stdnum.is_ import kennitala
from stdnum.it import codicefiscale, iva
from stdnum.jp import cn as jp_cn
from stdnum.jp import in_ as jp_in
from stdnum.ke import pin as ke_pin
from stdnum.kr import brn
from stdnum.lt import asmens
from stdnum.ma import ice
from stdnum.md import idno
from stdnum.mx import curp, rfc
from stdnum.my import nric
from stdnum.nl import bsn, identiteitskaartnummer
from stdnum.no import fodselsnummer, kontonr
from stdnum.no import orgnr as no_orgnr
from stdnum.nz import ird
from stdnum.pe import ruc
from stdnum.pk import cnic
from stdnum.pl import nip, pesel, regon
from stdnum.pt import cc as pt_cc
from stdnum.pt import nif as pt_nif
from stdnum.py import ruc as py_ruc
from stdnum.ro import cnp, cui
from stdnum.rs import pib
from stdnum.ru import inn, ogrn
from stdnum.se import orgnr, personnummer
from stdnum.sg import uen
from stdnum.si import ddv, emso
from stdnum.th import pin
from stdnum.tr import tckimlik, vkn
from stdnum.tw import ubn
from stdnum.ua import edrpou, rntrc
from stdnum.us import ein, itin
from stdnum.uy import rut as uy_rut
from stdnum.ve import rif
from stdnum.vn import mst
from stdnum.za import idnr as za_idnr
from stdnum.za import tin as za_tin

from detectors.validators.documents import de_id_card, icao_document, plate, uk_driving_licence, vin
from detectors.validators.national import (
    Validator,
    au_medicare,
    au_tfn,
    checked,
    de_kvnr,
    de_svnr,
    eg_national_id,
    es_nuss,
    fi_hetu,
    hk_id,
    hu_company,
    hu_taj,
    hu_tax_id,
    in_aadhaar,
    ir_national_id,
    kr_rrn,
    latam_account,
    lu_matricule,
    luhn_id,
    lv_personal_code,
    pl_pesel_checksum,
    pt_niss,
    ru_snils,
    se_personal_number,
    sg_nric,
    tw_id,
    uk_nino,
    uk_utr,
    us_dea,
    us_mbi,
    us_npi,
    us_ssn,
    us_ssn_said,
    us_ssns,
    vn_cccd,
)

VALIDATORS: Mapping[str, Validator] = {
    "ar_cbu": checked(cbu),
    "ar_cuit": checked(cuit),
    "at_tin": checked(at_tin),
    "at_vnr": checked(vnr),
    "au_abn": checked(abn),
    "au_acn": checked(acn),
    "au_medicare": au_medicare,
    "au_tfn": au_tfn,
    "be_nn": checked(nn),
    "bg_egn": checked(egn),
    "bg_vat": checked(bg_vat),
    "br_cnpj": checked(cnpj),
    "br_cpf": checked(cpf),
    "by_unp": checked(unp),
    "ca_bn": checked(bn),
    "ca_sin": checked(sin),
    "ch_ahv": checked(ch_ssn),
    "ch_uid": checked(ch_uid),
    "cl_rut": checked(rut),
    "cn_ric": checked(ric),
    "cn_uscc": checked(uscc),
    "co_nit": checked(nit),
    "cy_vat": checked(cy_vat),
    "cz_dic": checked(cz_dic),
    "cz_rc": checked(rc),
    "de_id_card": de_id_card,
    "de_kvnr": de_kvnr,
    "de_stnr": checked(stnr),
    "de_svnr": de_svnr,
    "de_tax_id": checked(idnr),
    "dk_cpr": checked(cpr),
    "dk_cvr": checked(cvr),
    "do_number": checked(cedula, rnc),
    "ec_ci": checked(ci),
    "ec_number": checked(ci, ec_ruc),
    "ee_ik": checked(ik),
    "eg_national_id": eg_national_id,
    "eg_tn": checked(eg_tn),
    "es_ccc": checked(ccc),
    "es_cif": checked(cif),
    "es_dni": checked(dni),
    "es_nie": checked(nie),
    "es_nuss": es_nuss,
    "eu_vat": checked(vat),
    "fi_hetu": fi_hetu,
    "fi_ytunnus": checked(ytunnus),
    "fr_nif": checked(nif),
    "fr_nir": checked(nir),
    "fr_siren": checked(siren),
    "fr_siret": checked(siret),
    "gr_amka": checked(amka),
    "gr_vat": checked(gr_vat),
    "gt_nit": checked(gt_nit),
    "hk_id": hk_id,
    "hr_oib": checked(oib),
    "hu_anum": checked(anum),
    "hu_company": hu_company,
    "hu_taj": hu_taj,
    "hu_tax_id": hu_tax_id,
    "icao_document": icao_document,
    "id_nik": checked(nik),
    "id_npwp": checked(npwp),
    "ie_pps": checked(pps),
    "il_id": checked(il_idnr),
    "in_aadhaar": in_aadhaar,
    "in_epic": checked(epic),
    "in_gstin": checked(gstin),
    "in_pan": checked(pan),
    "ir_national_id": ir_national_id,
    "is_kennitala": checked(kennitala),
    "it_fiscal_code": checked(codicefiscale),
    "it_iva": checked(iva),
    "jp_corporate": checked(jp_cn),
    "jp_my_number": checked(jp_in),
    "ke_pin": checked(ke_pin),
    "kr_brn": checked(brn),
    "kr_rrn": kr_rrn,
    "latam_account": latam_account,
    "lt_asmens": checked(asmens),
    "lu_matricule": lu_matricule,
    "luhn_id": luhn_id,
    "lv_personal_code": lv_personal_code,
    "ma_ice": checked(ice),
    "md_idno": checked(idno),
    "mx_curp": checked(curp),
    "mx_rfc": checked(rfc),
    "my_nric": checked(nric),
    "nl_bsn": checked(bsn),
    "nl_id_card": checked(identiteitskaartnummer),
    "no_fodselsnummer": checked(fodselsnummer),
    "no_kontonr": checked(kontonr),
    "no_orgnr": checked(no_orgnr),
    "nz_ird": checked(ird),
    "pe_ruc": checked(ruc),
    "pk_cnic": checked(cnic),
    "pl_nip": checked(nip),
    "pl_pesel": checked(pesel),
    "pl_pesel_checksum": pl_pesel_checksum,
    "pl_regon": checked(regon),
    "plate": plate,
    "pt_cc": checked(pt_cc),
    "pt_nif": checked(pt_nif),
    "pt_niss": pt_niss,
    "py_ruc": checked(py_ruc),
    "ro_cnp": checked(cnp),
    "ro_cui": checked(cui),
    "rs_pib": checked(pib),
    "ru_inn": checked(inn),
    "ru_ogrn": checked(ogrn),
    "ru_snils": ru_snils,
    "se_orgnr": checked(orgnr),
    "se_personal_number": se_personal_number,
    "se_personnummer": checked(personnummer),
    "sg_nric": sg_nric,
    "sg_uen": checked(uen),
    "si_ddv": checked(ddv),
    "si_emso": checked(emso),
    "th_pin": checked(pin),
    "tr_tckn": checked(tckimlik),
    "tr_vkn": checked(vkn),
    "tw_id": tw_id,
    "tw_ubn": checked(ubn),
    "ua_number": checked(rntrc, edrpou),
    "ua_rntrc": checked(rntrc),
    "uk_driving_licence": uk_driving_licence,
    "uk_nhs": checked(nhs),
    "uk_nino": uk_nino,
    "uk_utr": uk_utr,
    "uk_vat": checked(uk_vat),
    "us_dea": us_dea,
    "us_ein": checked(ein),
    "us_itin": checked(itin),
    "us_mbi": us_mbi,
    "us_npi": us_npi,
    "us_ssn": us_ssn,
    "us_ssn_said": us_ssn_said,
    "us_ssns": us_ssns,
    "uy_rut": checked(uy_rut),
    "ve_rif": checked(rif),
    "vin": vin,
    "vn_cccd": vn_cccd,
    "vn_mst": checked(mst),
    "za_id": checked(za_idnr),
    "za_tin": checked(za_tin),
}
